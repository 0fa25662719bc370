//! The ids of aggregates, in the names of their streams.

use super::definition::{Aggregate, AggregateId as _, AsId, IdForm, IdText};
use crate::event::{RecordedEvent, RecordedEventRef};
use crate::limits::{self, LimitError, Limited};
use crate::stream_name::StreamName;

impl StreamName {
    /// Returns the name of an aggregate's stream: `{aggregate}-{id}`.
    ///
    /// # Errors
    /// [`LimitError`] when the id prints as an empty text, is too long, or contains U+0000.
    pub fn of<A: Aggregate>(id: &(impl AsId<A::Id> + ?Sized)) -> Result<Self, LimitError> {
        let name = match id.__form() {
            IdForm::Id(id) => format!("{}-{}", A::NAME, IdText(id)),
            IdForm::Text(id) => format!("{}-{id}", A::NAME),
        };
        // The limits of the whole name, reported for the id that the caller gave.
        let before = A::NAME.len() + 1;
        let limit = limits::STREAM_NAME_BYTES.saturating_sub(before);
        limits::check_text(
            Limited::AggregateId,
            limit,
            name.get(before..).unwrap_or_default(),
        )?;
        Ok(StreamName::from_store(&name))
    }

    /// Returns the id in the name of an aggregate's stream, the reverse of [`of`](Self::of).
    ///
    /// # Errors
    /// [`AggregateIdError`] when the stream belongs to no such aggregate, or when its id cannot be read.
    pub fn id_of<A: Aggregate>(&self) -> Result<A::Id, AggregateIdError> {
        id_of::<A>(self.as_str())
    }
}

impl RecordedEvent {
    /// Returns the id of the aggregate whose stream the event is in.
    ///
    /// # Errors
    /// [`AggregateIdError`] when the stream belongs to no such aggregate, or when its id cannot be read.
    pub fn aggregate_id<A: Aggregate>(&self) -> Result<A::Id, AggregateIdError> {
        id_of::<A>(self.stream.as_str())
    }
}

impl RecordedEventRef<'_> {
    /// Returns the id of the aggregate whose stream the event is in.
    ///
    /// ```
    /// # use midgard::{Aggregate, Apply, Event};
    /// # use midgard::event::RecordedEventRef;
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "counter.incremented")]
    /// # struct Incremented {}
    /// # #[derive(Debug, Default, Aggregate)]
    /// # #[aggregate(name = "counter", id = u64, events(Incremented))]
    /// # struct Counter {}
    /// # impl Apply<Incremented> for Counter { fn apply(&mut self, _: Incremented) {} }
    /// fn number(event: &RecordedEventRef<'_>) -> u64 {
    ///     event.aggregate_id::<Counter>().unwrap() // of the stream "counter-42", it is 42
    /// }
    /// ```
    ///
    /// # Errors
    /// [`AggregateIdError`] when the stream belongs to no such aggregate, or when its id cannot be read.
    pub fn aggregate_id<A: Aggregate>(&self) -> Result<A::Id, AggregateIdError> {
        id_of::<A>(self.stream)
    }
}

/// Why the id of an aggregate cannot be read from the name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateIdError {
    /// The stream belongs to something else.
    #[error(
        "stream \"{stream}\" belongs to no aggregate \"{aggregate}\", whose streams are called \"{aggregate}-..\"; \
         name the aggregate that it belongs to"
    )]
    OtherAggregate {
        /// The name of the stream.
        stream: String,
        /// The name of the requested aggregate.
        aggregate: &'static str,
    },
    /// The type of the aggregate's ids no longer parses a text that it once printed.
    #[error(
        "the id of stream \"{stream}\" cannot be read as a `{id_type}`; let its `FromStr` read all that its `Display` ever printed"
    )]
    Unreadable {
        /// The name of the stream.
        stream: String,
        /// The type of the aggregate's ids.
        id_type: &'static str,
    },
}

/// Returns the id in the name of a stream.
fn id_of<A: Aggregate>(stream: &str) -> Result<A::Id, AggregateIdError> {
    let id = stream
        .strip_prefix(A::NAME)
        .and_then(|rest| rest.strip_prefix('-'));
    let Some(id) = id else {
        return Err(AggregateIdError::OtherAggregate {
            stream: stream.to_owned(),
            aggregate: A::NAME,
        });
    };
    A::Id::__read(id).ok_or_else(|| AggregateIdError::Unreadable {
        stream: stream.to_owned(),
        id_type: std::any::type_name::<A::Id>(),
    })
}
