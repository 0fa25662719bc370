//! Test kits: `given`, `when`, `then` for aggregates, and the like for process managers.

mod given;
mod process;

pub use given::{Checked, Given, Outcome, given};
pub use process::{GivenProcess, Reacted, given_process};
