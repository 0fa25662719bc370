//! The bus against a real broker.

#[path = "../common/mod.rs"]
mod common;
mod contract;
mod declarations;
mod kills;
mod limits;
mod strangers;
