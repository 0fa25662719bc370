//! The bus against a real broker.

// Its name is the first, and so the longest test of all is the first that runs.
mod broker_killed;
#[path = "../common/mod.rs"]
mod common;
mod contract;
mod declarations;
mod limits;
mod strangers;
