//! Test kits: `given`, `when`, `then` for aggregates, and the contract of a store.

mod contract;
mod given;

pub use crate::__store_contract as store_contract;
#[doc(hidden)]
pub use contract::run_case;
pub use contract::{Case, Fixture, cases};
pub use given::{Checked, Given, Outcome, given};
