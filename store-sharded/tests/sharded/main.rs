//! One store over several.
#![allow(clippy::unwrap_used, missing_docs)]

mod consumers;
mod contract;
mod faults;
mod kit;
mod opening;
mod shards;
