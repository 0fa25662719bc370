//! Decision models: states that a query finds, over any streams, and decisions that hold only while it finds nothing new.

pub(crate) mod definition;
mod instance;
mod part;
mod selection;
mod tuples;

pub(crate) use definition::DecisionModel;
pub use instance::Instance;
#[doc(hidden)]
pub use part::{Part, Tagged, take_decided};
#[doc(hidden)]
pub use selection::Selection;
