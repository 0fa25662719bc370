//! Test kits: `given`, `when`, `then` for aggregates and decision models, and similar ones for process managers and projections.

mod given;
mod process;
mod projection;

pub use given::{Checked, Given, Outcome, given, given_model};
pub use process::{GivenProcess, Reacted, given_process, given_process_with};
pub use projection::{GivenProjection, given_projection, given_projection_with};

/// Returns the value of a success; fails the test otherwise.
#[allow(clippy::panic)]
#[track_caller]
fn sound<T, E: std::fmt::Display>(outcome: Result<T, E>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
