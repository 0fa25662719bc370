//! Aggregates: load, decide, append; and deciders without a store.

mod cancelled;
#[path = "../common/mod.rs"]
mod common;
mod execute;
mod given;
mod metadata;
mod once;
mod reading;
mod repeats;
mod streams;
mod together;
mod unreadable;
