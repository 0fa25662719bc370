//! Read models of several processes on one store: nothing is skipped, work is shared and handed over, and
//! readers see whole transactions.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
mod kit;
mod order;
mod versions;
mod wake;
mod workers;
