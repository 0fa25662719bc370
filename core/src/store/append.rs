//! Appends: their events, expectations and results.

use super::{EntryWrite, Versions};
use crate::event::record::NewEvent;
use crate::event::record::check_event;
use crate::limits::{self, LimitError, Limited};
use crate::place::{LogId, Place, Position, Version};
use crate::store::query::AppendCondition;
use crate::stream_name::StreamName;
use std::fmt;

/// The state that a stream must be in for an append to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum ExpectedVersion {
    /// In any state, except tombstoned.
    Any,
    /// Without events so far.
    NoStream,
    /// With at least one event.
    Exists,
    /// At exactly this version. `Exact(Version::ZERO)` is the same as `NoStream`.
    Exact(Version),
}

impl ExpectedVersion {
    /// Returns whether a stream with the last version `actual` is as expected.
    #[must_use]
    pub const fn accepts(self, actual: Version) -> bool {
        match self {
            ExpectedVersion::Any => true,
            ExpectedVersion::NoStream => actual.0 == 0,
            ExpectedVersion::Exists => actual.0 > 0,
            ExpectedVersion::Exact(version) => actual.0 == version.0,
        }
    }
}

impl From<Version> for ExpectedVersion {
    fn from(version: Version) -> Self {
        ExpectedVersion::Exact(version)
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpectedVersion::Any => f.write_str("in any state"),
            ExpectedVersion::NoStream | ExpectedVersion::Exact(Version::ZERO) => {
                f.write_str("to have no events")
            }
            ExpectedVersion::Exists => f.write_str("to have events"),
            ExpectedVersion::Exact(version) => write!(f, "at version {version}"),
        }
    }
}

/// The events for one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppendPart {
    /// The stream.
    pub stream: StreamName,
    /// The state that the stream must be in, after the parts before this one.
    pub expected: ExpectedVersion,
    /// The events, in order. Without events, only the stream's state is checked.
    pub events: Vec<NewEvent>,
}

/// An append, all or nothing: events of one or several streams, and changes of entries. In a store with several logs, all
/// its streams must be in one log.
///
/// ```
/// use midgard::store::{Append, ExpectedVersion};
/// use midgard::event::NewEvent;
/// use midgard::StreamName;
///
/// let event = NewEvent::json("account.debited", 1, b"{}".to_vec());
/// let other = NewEvent::json("account.credited", 1, b"{}".to_vec());
/// let append = Append::to(StreamName::new("account-1")?, ExpectedVersion::Exists, [event])
///     .and(StreamName::new("account-2")?, ExpectedVersion::Exists, [other]);
/// assert_eq!(append.parts().len(), 2);
/// # Ok::<_, midgard::limits::LimitError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Append {
    parts: Vec<AppendPart>,
    condition: Option<AppendCondition>,
    /// Few appends have entries: those without stay small.
    entries: Option<Box<EntryWrite>>,
}

impl Append {
    /// Appends events to one stream.
    pub fn to(
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        Append::default().and(stream, expected, events)
    }

    /// Adds events for another stream, or for the same one again.
    #[must_use]
    pub fn and(
        mut self,
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        let events = events.into_iter().collect();
        self.parts.push(AppendPart {
            stream,
            expected: expected.into(),
            events,
        });
        self
    }

    /// Sets the condition: the events that must not exist.
    #[must_use]
    pub fn unless(mut self, condition: AppendCondition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Changes [entries](crate::Store::write_entries) together with the events: all of both or nothing, durable
    /// together, and only if all expected entries are as expected. Replaces entries given before.
    ///
    /// This makes an effect happen once: the events that follow from a message, and the entry that marks it as
    /// handled, are one step.
    ///
    /// - The streams and the condition are checked before the entries: an entry that is not as expected is
    ///   [`AppendError::EntryChanged`](crate::store::AppendError::EntryChanged), and nothing was appended.
    /// - A retry that is recognised by its events gets the first answer. It changes no entry again, and its expected
    ///   entries are not checked, as they were met the first time.
    /// - Without events, the expected versions and the condition are checked and the entries are changed. A retry can
    ///   then be recognised only by its expected entries.
    ///
    /// ```
    /// use midgard::store::EntryWrite;
    /// use midgard::store::{Append, AppendError, ExpectedVersion};
    /// use midgard::{MemoryStore, Store, StreamName};
    /// use midgard::event::NewEvent;
    ///
    /// # midgard::block_on(async {
    /// let store = MemoryStore::new();
    /// let handle = || {
    ///     let event = NewEvent::json("credit.reserved", 1, b"{}".to_vec());
    ///     let handled = EntryWrite::new()
    ///         .expect(b"handled/message-7", None)
    ///         .put(b"handled/message-7", b"");
    ///     let stream = StreamName::new("customer-42")?;
    ///     let append = Append::to(stream, ExpectedVersion::Any, [event]);
    ///     Ok::<_, midgard::limits::LimitError>(append.with_entries(handled))
    /// };
    /// store.append(handle()?).await?;
    /// // The message comes again, and leads to another event.
    /// let again = store.append(handle()?).await;
    /// assert!(matches!(again, Err(AppendError::EntryChanged { .. })));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_entries(mut self, write: EntryWrite) -> Self {
        self.entries = Some(Box::new(write));
        self
    }

    /// Returns the parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[AppendPart] {
        &self.parts
    }

    /// Returns the parts by value. The condition and the changes of entries are dropped.
    #[must_use]
    pub fn into_parts(self) -> Vec<AppendPart> {
        self.parts
    }

    /// Returns the condition: the events that must not exist.
    #[must_use]
    pub const fn condition(&self) -> Option<&AppendCondition> {
        self.condition.as_ref()
    }

    /// Returns the changes of entries, and the entries they expect.
    #[must_use]
    pub fn entries(&self) -> Option<&EntryWrite> {
        self.entries.as_deref()
    }

    /// Takes the changes of entries out, and the entries they expect.
    pub fn take_entries(&mut self) -> Option<EntryWrite> {
        self.entries.take().map(|entries| *entries)
    }

    /// Returns all events of all parts, in order.
    pub fn events(&self) -> impl Iterator<Item = &NewEvent> {
        self.parts.iter().flat_map(|part| &part.events)
    }

    /// Returns the bytes of the payloads, tags and headers of all events, limited by
    /// [`APPEND_BYTES`](limits::APPEND_BYTES).
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = self.events().map(|event| {
            let (tags, headers) = (event.tags.view(), event.metadata.headers());
            event.payload.len() + tags.as_bytes().len() + headers.as_bytes().len()
        });
        bytes.sum()
    }

    /// Checks all limits. Every store calls it before it accepts an append.
    ///
    /// # Errors
    /// [`LimitError`] names the value that is empty, too long or forbidden, and the limit.
    pub fn check_limits(&self) -> Result<(), LimitError> {
        limits::check_size(Limited::Parts, limits::PARTS_PER_APPEND, self.parts.len())?;
        let mut events = 0;
        for event in self.events() {
            check_event(event)?;
            events += 1;
        }
        limits::check_size(Limited::Events, limits::EVENTS_PER_APPEND, events)?;
        limits::check_size(Limited::Append, limits::APPEND_BYTES, self.bytes())?;
        self.entries().map_or(Ok(()), EntryWrite::check_limits)
    }
}

/// The result of an append. A retry of the same append gets the same result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The log of the events.
    pub log: LogId,
    /// The position of the last event; `None` when there were no events. The events of one append are adjacent in the
    /// log.
    pub position: Option<Position>,
    /// For each part, the last version of its stream after its events.
    pub versions: Versions,
}

impl Appended {
    /// Creates the result of an append, for a store to return.
    #[must_use]
    pub fn new(log: LogId, position: Option<Position>, versions: impl Into<Versions>) -> Self {
        Appended {
            log,
            position,
            versions: versions.into(),
        }
    }

    /// Returns the place of the last event; `None` when there were no events.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        match self.position {
            Some(position) => Some(Place::new(self.log, position)),
            None => None,
        }
    }

    /// Returns the last version of the last part's stream; zero for an append without parts.
    #[must_use]
    pub fn version(&self) -> Version {
        self.versions.last().copied().unwrap_or_default()
    }
}
