//! What the caller decided on a single aggregate: events to append, or the end of its stream.

use super::{Loaded, Repository, encoding, repeating};
use crate::aggregate::{Aggregate, AsId, Events};
use crate::event::codec::EncodeError;
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::place::Version;
use crate::store::{Append, AppendError, Appended, ExpectedVersion, Store};
use crate::stream_name::StreamName;

impl<A: Aggregate, S: Store> Repository<A, S> {
    /// Appends events that the caller decided on, with an explicit expected version. Never retried.
    ///
    /// The events are not applied first: an `apply` that panics on one of them does so when the aggregate is loaded.
    ///
    /// # Errors
    /// [`AppendError`]: nothing was appended, except after
    /// [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown), when the events may be stored.
    pub async fn save(
        &self,
        id: &(impl AsId<A::Id> + ?Sized),
        expected: impl Into<ExpectedVersion>,
        events: impl Into<Events<A>>,
    ) -> Result<Appended, AppendError> {
        self.save_with(id, expected, events, &Metadata::new()).await
    }

    /// Does what [`save`](Repository::save) does, with metadata for the events.
    ///
    /// # Errors
    /// As [`save`](Repository::save).
    pub async fn save_with(
        &self,
        id: &(impl AsId<A::Id> + ?Sized),
        expected: impl Into<ExpectedVersion>,
        events: impl Into<Events<A>>,
        metadata: &Metadata,
    ) -> Result<Appended, AppendError> {
        let stream = StreamName::of::<A>(id)?;
        let events = self.encode(&stream, &events.into(), metadata)?;
        let append = Append::to(stream, expected, events);
        repeating::append(&self.store, append, self.tries.repeat_for).await
    }

    /// Appends the decisions on a loaded aggregate, if nobody appended since it was loaded. Never retried: the
    /// decisions were made on that state.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when the aggregate is no longer at the version that was loaded.
    pub async fn commit(&self, loaded: Loaded<A>) -> Result<Loaded<A>, AppendError> {
        self.commit_with(loaded, &Metadata::new()).await
    }

    /// Does what [`commit`](Repository::commit) does, with metadata for the events.
    ///
    /// # Errors
    /// As [`commit`](Repository::commit).
    pub async fn commit_with(
        &self,
        mut loaded: Loaded<A>,
        metadata: &Metadata,
    ) -> Result<Loaded<A>, AppendError> {
        let pending = loaded.take_pending();
        if !pending.is_empty() {
            let (stream, expected) = (loaded.stream().clone(), loaded.starting_version());
            let events = self.encode(&stream, &pending, metadata)?;
            let append = Append::to(stream, expected, events);
            let time = self.tries.repeat_for;
            let appended = repeating::append(&self.store, append, time).await?;
            loaded.committed(&appended);
        }
        Ok(loaded)
    }

    /// Ends an aggregate for good: its events are removed, and its stream accepts no more events. From then on, loading it is
    /// [`LoadError::Tombstoned`](super::LoadError::Tombstoned), and its versions never restart. Projections and subscriptions that list
    /// [`StreamTombstoned`](crate::store::StreamTombstoned) receive that event.
    ///
    /// # Errors
    /// [`AppendError::Conflict`] when the stream is not as expected, and [`AppendError::Tombstoned`] when it was
    /// already tombstoned.
    pub async fn tombstone(
        &self,
        id: &(impl AsId<A::Id> + ?Sized),
        expected: impl Into<ExpectedVersion>,
    ) -> Result<(), AppendError> {
        let stream = StreamName::of::<A>(id)?;
        self.store.tombstone(&stream, expected.into()).await
    }

    /// Removes the events of an aggregate before a version, for good. Without them its state cannot be rebuilt: from
    /// then on, loading it is [`LoadError::Truncated`](super::LoadError::Truncated). Meant for aggregates whose stream is only read and appended
    /// to, with [`save`](Repository::save).
    ///
    /// # Errors
    /// As [`tombstone`](Repository::tombstone).
    pub async fn truncate(
        &self,
        id: &(impl AsId<A::Id> + ?Sized),
        before: Version,
        expected: impl Into<ExpectedVersion>,
    ) -> Result<(), AppendError> {
        let stream = StreamName::of::<A>(id)?;
        self.store.truncate(&stream, before, expected.into()).await
    }

    fn encode(
        &self,
        stream: &StreamName,
        events: &Events<A>,
        metadata: &Metadata,
    ) -> Result<Vec<NewEvent>, EncodeError> {
        encoding::encode(stream, events.iter(), &mut metadata.clone(), self.read_back)
    }
}
