//! Aggregates: states rebuilt from their own events, and the commands that decide on them.

pub(crate) mod definition;
pub(crate) mod fold;
mod id;
mod replay;

pub use definition::AsId;
#[doc(hidden)]
pub use definition::IdForm;
pub(crate) use definition::{Aggregate, AggregateId, Command, IdText};
pub(crate) use fold::Events;
pub use fold::{Applies, Fold, State};
pub use id::AggregateIdError;
#[doc(hidden)]
pub use replay::Replay;
