//! Aggregates: states rebuilt from their own events, and the commands they decide.

pub(crate) mod definition;
pub(crate) mod fold;
mod id;

pub use definition::AsId;
#[doc(hidden)]
pub use definition::IdForm;
pub(crate) use definition::{Aggregate, AggregateId, Command, IdText};
pub(crate) use fold::Events;
pub use fold::{Applies, Fold};
pub use id::AggregateIdError;
