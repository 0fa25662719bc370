//! What leaves the service: events of the log, and the commands and replies in it.

use crate::event::Event;
use std::borrow::Cow;

/// An event that other services may be told of as it is. Marked with `#[publish]` beside `#[event(..)]`:
///
/// ```
/// use midgard::{Event, Publish};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// #[publish(key = customer)] // or `#[publish]`: then its stream is the key
/// struct OrderPlaced { customer: u32, cents: u64 }
///
/// assert_eq!(OrderPlaced { customer: 4, cents: 100 }.key().as_deref(), Some("4"));
/// ```
#[diagnostic::on_unimplemented(
    message = "event `{Self}` may not leave the service",
    label = "this event is not marked `#[publish]`",
    note = "write `#[publish]`, or `#[publish(key = ..)]`, below its `#[event(..)]`"
)]
pub trait Publish: Event {
    /// Whether it has a key of its own.
    const HAS_KEY: bool;

    /// The key within which its message stays in order. Without one, its stream.
    fn key(&self) -> Option<Cow<'_, str>>;
}
