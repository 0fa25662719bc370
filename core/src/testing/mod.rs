//! Test kits: `given`, `when`, `then` for aggregates, and the contract of a store.

mod given;
pub use given::{Checked, Given, Outcome, given};
