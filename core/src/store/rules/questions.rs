//! The questions of a decision, known from its input alone.

use crate::event::metadata::EventId;
use crate::place::Version;
use crate::store::query::AppendCondition;
use crate::store::{Append, AppendPart, EntryWrite, ExpectedVersion};
use crate::stream_name::StreamName;

/// A question that [`decide`](super::decide), [`decide_end`](super::decide_end) or
/// [`decide_entries`](super::decide_entries) may ask its [`Facts`](super::Facts).
///
/// A decision may leave questions out, and may ask one more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Question<'a> {
    /// The state of a stream: [`Facts::state`](super::Facts::state).
    State(&'a StreamName),
    /// The position of the event with this id: [`Facts::holder`](super::Facts::holder).
    Holder {
        /// The stream to search first.
        stream: &'a StreamName,
        /// The id.
        id: EventId,
    },
    /// The events of a stream that an append was made of, if it was made before:
    /// [`Facts::event_at`](super::Facts::event_at) for each version, and
    /// [`Facts::read_event`](super::Facts::read_event) for each event that has the id of a new one. Only an append
    /// that is not as expected asks this.
    Events {
        /// The stream.
        stream: &'a StreamName,
        /// The version of the first event.
        first: FirstEvent,
        /// The number of versions, including the first one.
        count: u64,
    },
    /// The first event that matches a condition: [`Facts::first_match`](super::Facts::first_match).
    FirstMatch(&'a AppendCondition),
    /// Whether an entry has this value: [`Facts::entry_is`](super::Facts::entry_is).
    Entry {
        /// Its key.
        key: &'a [u8],
        /// Its value; `None` when it is expected to be absent.
        value: Option<&'a [u8]>,
    },
}

/// The version of the first of several adjacent events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum FirstEvent {
    /// At this version.
    At(Version),
    /// At the version of [`Holder::Here`](super::Holder::Here), the answer to [`Question::Holder`] for this id. With
    /// any other answer there is nothing to ask.
    Holding(EventId),
}

/// Lists all questions that [`decide`](super::decide) may ask about an append, in no particular order. A store that
/// is reached over a network answers all questions of a group of appends at once, before it decides the first.
///
/// ```
/// use midgard::StreamName;
/// use midgard::event::NewEvent;
/// use midgard::store::rules::{self, Question};
/// use midgard::store::{Append, ExpectedVersion};
///
/// let stream = StreamName::new("user-42")?;
/// let event = NewEvent::json("user.created", 1, b"{}".to_vec());
/// let append = Append::to(stream.clone(), ExpectedVersion::Any, [event]);
/// let questions: Vec<_> = rules::questions(&append).collect();
/// assert_eq!(questions[0], Question::State(&stream));
/// assert_eq!(questions.len(), 3); // and who holds the id, and the event that a retry would find
/// # Ok::<_, midgard::limits::LimitError>(())
/// ```
pub fn questions(append: &Append) -> impl Iterator<Item = Question<'_>> {
    let parts = append.parts().iter().flat_map(about_part);
    let condition = append.condition().map(Question::FirstMatch);
    let entries = append.entries().into_iter().flat_map(entry_questions);
    parts.chain(condition).chain(entries)
}

/// Lists all questions of [`decide_end`](super::decide_end).
pub fn end_questions(stream: &StreamName) -> impl Iterator<Item = Question<'_>> {
    std::iter::once(Question::State(stream))
}

/// Lists all questions that [`decide_entries`](super::decide_entries) may ask.
pub fn entry_questions(write: &EntryWrite) -> impl Iterator<Item = Question<'_>> {
    write.expected().iter().map(|(key, value)| Question::Entry {
        key,
        value: value.as_deref(),
    })
}

fn about_part(part: &AppendPart) -> impl Iterator<Item = Question<'_>> {
    let AppendPart { stream, events, .. } = part;
    let first = first_event(part);
    // With an exact version, a retry finds its events by version; otherwise by their ids.
    let is_by_id = matches!(first, Some(FirstEvent::Holding(_)));
    let ids = events.iter().filter(move |_| is_by_id);
    let holders = ids.map(|event| Question::Holder {
        stream,
        id: event.id,
    });
    let known = first.map(|first| Question::Events {
        stream,
        first,
        count: events.len() as u64,
    });
    std::iter::once(Question::State(stream))
        .chain(holders)
        .chain(known)
}

/// Returns where the events of a part are, if they were appended before; `None` when the part has no events.
pub(super) fn first_event(part: &AppendPart) -> Option<FirstEvent> {
    let first = part.events.first()?;
    Some(match part.expected {
        ExpectedVersion::NoStream => FirstEvent::At(Version::FIRST),
        ExpectedVersion::Exact(version) => FirstEvent::At(version.next()),
        ExpectedVersion::Any | ExpectedVersion::Exists => FirstEvent::Holding(first.id),
    })
}
