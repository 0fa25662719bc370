//! What is appended, under which expectations, and what came of it.

use super::{EntryWrite, Versions};
use crate::event::record::NewEvent;
use crate::event::record::check_event;
use crate::limits::{self, LimitError, Limited};
use crate::place::{LogId, Place, Position, Version};
use crate::store::query::AppendCondition;
use crate::stream_name::StreamName;
use std::fmt;

/// In which state a stream must be for an append to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum ExpectedVersion {
    /// In any state, as long as it was not tombstoned.
    Any,
    /// Without events so far.
    NoStream,
    /// With at least one event.
    Exists,
    /// At exactly this version. `Exact(Version::ZERO)` is the same as `NoStream`.
    Exact(Version),
}

impl ExpectedVersion {
    /// Whether a stream whose last version is `actual` is as expected.
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
    /// In which state it must be. Checked against what the parts before this one left.
    pub expected: ExpectedVersion,
    /// The events, in order. None: the stream's state is only checked.
    pub events: Vec<NewEvent>,
}

/// An append: all of its events, over one or several streams, and its changes of entries, or nothing.
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
    /// Few appends have them: those without stay small.
    entries: Option<Box<EntryWrite>>,
}

impl Append {
    /// Events for one stream.
    pub fn to(
        stream: StreamName,
        expected: impl Into<ExpectedVersion>,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Self {
        Append::default().and(stream, expected, events)
    }

    /// Events for a further stream, or for the same one again.
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

    /// Sets what must not have happened.
    #[must_use]
    pub fn unless(mut self, condition: AppendCondition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Changes [entries](crate::Store::write_entries) together with the events: all of both or
    /// nothing, durable together, and only if every expectation of an entry holds. It replaces what was
    /// given before.
    ///
    /// It is what makes an effect happen once: the events that handling a message leads to, and the
    /// entry that says it was handled, are one step.
    ///
    /// - The streams and the condition are checked first, the entries after them: an entry that is not
    ///   as expected is [`AppendError::EntryChanged`](crate::store::AppendError::EntryChanged), and nothing was
    ///   appended then.
    /// - A retry that is recognised by its events gets the first answer. It changes no entry again, and
    ///   what it expects of entries is not looked at, as it was met the first time.
    /// - Without events, the expected versions and the condition are checked and the entries are changed.
    ///   There is nothing to recognise a retry by then but what is expected of the entries.
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

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> &[AppendPart] {
        &self.parts
    }

    /// The parts, to be taken apart. The condition and the changes of entries are dropped.
    #[must_use]
    pub fn into_parts(self) -> Vec<AppendPart> {
        self.parts
    }

    /// What must not have happened.
    #[must_use]
    pub const fn condition(&self) -> Option<&AppendCondition> {
        self.condition.as_ref()
    }

    /// What becomes of which entries, and what is expected of them.
    #[must_use]
    pub fn entries(&self) -> Option<&EntryWrite> {
        self.entries.as_deref()
    }

    /// All events of all parts, in order.
    pub fn events(&self) -> impl Iterator<Item = &NewEvent> {
        self.parts.iter().flat_map(|part| &part.events)
    }

    /// The bytes of the payloads, tags and headers of all events: what [`APPEND_BYTES`](limits::APPEND_BYTES) is the most of.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = self.events().map(|event| {
            let (tags, headers) = (event.tags.view(), event.metadata.headers());
            event.payload.len() + tags.as_bytes().len() + headers.as_bytes().len()
        });
        bytes.sum()
    }

    /// Checks everything that has a limit. Every store calls it before it takes an append.
    ///
    /// # Errors
    /// [`LimitError`] names what is empty, too long or forbidden, and the limit.
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

/// What came of an append. A retry of the same append gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The log that the events are in.
    pub log: LogId,
    /// The position of the last event; `None` when there were no events. The events of one append
    /// stand together in the log.
    pub position: Option<Position>,
    /// For each part, the last version of its stream once its events were appended.
    pub versions: Versions,
}

impl Appended {
    /// The answer of a store.
    #[must_use]
    pub fn new(log: LogId, position: Option<Position>, versions: impl Into<Versions>) -> Self {
        Appended {
            log,
            position,
            versions: versions.into(),
        }
    }

    /// The place of the last event; `None` when there were no events.
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        match self.position {
            Some(position) => Some(Place::new(self.log, position)),
            None => None,
        }
    }

    /// The last version of the last part's stream; zero for an append without parts.
    #[must_use]
    pub fn version(&self) -> Version {
        self.versions.last().copied().unwrap_or_default()
    }
}
