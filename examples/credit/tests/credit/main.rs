//! The two services: their lines are those of the shop in one database, whatever happens on the way.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod deadline;
#[path = "../../../tests/support/expected.rs"]
mod expected;
mod program;
#[path = "../../../tests/support/running.rs"]
mod running;
mod services;
mod unruly;
