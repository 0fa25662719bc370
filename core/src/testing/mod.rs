//! Test kits: `given`, `when`, `then` for aggregates, the like for process managers, and the contracts of stores, of places for views and of buses.

mod bus_contract;
mod contract;
mod given;
mod process;
mod random;
mod view_contract;

pub use crate::__bus_contract as bus_contract;
pub use crate::__store_contract as store_contract;
pub use crate::__view_store_contract as view_store_contract;
#[doc(hidden)]
pub use bus_contract::run_bus_case;
pub use bus_contract::{BusFixture, SetAside, Stranger, bus_cases};
#[doc(hidden)]
pub use contract::run_case;
pub use contract::{Case, Fixture, cases};
pub use given::{Checked, Given, Outcome, given};
pub use process::{GivenProcess, Reacted, given_process};
#[doc(hidden)]
pub use view_contract::run_view_case;
pub use view_contract::{ViewFixture, view_cases};
