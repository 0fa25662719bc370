//! Aggregates: states that their own events add up to, and the commands they decide.

pub(crate) mod definition;
mod id;

pub use definition::Applies;
pub(crate) use definition::{Aggregate, Command, Events};
pub use id::AggregateIdError;
