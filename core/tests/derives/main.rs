//! What the derives make of events, messages and projections.

#[path = "../common/mod.rs"]
mod common;
mod events;
mod messages;
mod projections;
