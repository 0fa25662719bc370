//! Test kits: `given`, `when`, `then` for aggregates, and the contracts of stores and of places for views.

mod contract;
mod given;
mod view_contract;

pub use crate::__store_contract as store_contract;
pub use crate::__view_store_contract as view_store_contract;
#[doc(hidden)]
pub use contract::run_case;
pub use contract::{Case, Fixture, cases};
pub use given::{Checked, Given, Outcome, given};
#[doc(hidden)]
pub use view_contract::run_view_case;
pub use view_contract::{ViewFixture, view_cases};
