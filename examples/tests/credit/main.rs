//! The two services: their lines are those of the shop in one database, whatever happens on the way.
#![allow(clippy::unwrap_used)]

mod deadline;
mod program;
mod services;
#[path = "../support/mod.rs"]
mod support;
mod unruly;
