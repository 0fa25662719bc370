//! Read models of several processes on one store: nothing is skipped, work is shared and handed over, and
//! readers see whole transactions.

#[path = "../common/mod.rs"]
mod common;
mod kit;
mod order;
mod wake;
mod workers;
