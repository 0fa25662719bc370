//! Decodes all records and messages into events: for aggregates, subscriptions, projections, process managers,
//! outboxes and inboxes.

use super::codec::{self, DecodeError, DecodeReason};
use super::definition::EventSet;
use super::descriptor::{AnyEvent, EventDescriptor};
use super::encoded::EncodedRef;
use super::record::RecordedEventRef;
use super::upcast::{Decoded, Record, SplitSource, UpcastContext};
use std::collections::VecDeque;

/// Decodes a recorded event as the events of the set `S` that it stands for, upcasting old versions.
///
/// # Errors
/// [`DecodeError`] names the event, its place, and the reason.
pub(crate) fn decode<S: EventSet>(event: &RecordedEventRef<'_>) -> Result<Decoded<S>, DecodeError> {
    read(&event.encoded(), event).map_err(|reason| DecodeError::new(event, reason))
}

/// Decodes a payload as the events of the set `S` that it stands for, upcasting old versions.
///
/// # Errors
/// [`DecodeReason`], the reason why it cannot be read.
pub(crate) fn read<S: EventSet>(
    encoded: &EncodedRef<'_>,
    record: &dyn Record,
) -> Result<Decoded<S>, DecodeReason> {
    // For a set without `split_from`, the compiler leaves this out.
    if const { has_sources(S::DESCRIPTORS) }
        && let Some(parts) = read_parts(S::DESCRIPTORS, encoded, record)?
    {
        let events = parts
            .into_iter()
            .filter_map(|part| S::__from_any(part).ok());
        return Ok(Decoded::rewritten(events.collect()));
    }
    codec::decode_payload(encoded, record)
}

/// Reads a record for a reader of several sets: each set takes its own events, in the order of the record.
#[allow(missing_debug_implementations)]
pub struct Reader<'a> {
    encoded: EncodedRef<'a>,
    record: &'a dyn Record,
    /// The remaining events that are read in the place of another.
    parts: Option<VecDeque<Box<dyn AnyEvent>>>,
    /// Whether an event was taken in this round.
    has_moved: bool,
}

impl<'a> Reader<'a> {
    /// Creates a reader of these events.
    ///
    /// # Errors
    /// [`DecodeReason`], when other events are read in its place and it cannot be read.
    pub(crate) fn new(
        events: &[&'static EventDescriptor],
        encoded: EncodedRef<'a>,
        record: &'a dyn Record,
    ) -> Result<Self, DecodeReason> {
        Ok(Reader {
            encoded,
            record,
            parts: read_parts(events, &encoded, record)?.map(VecDeque::from),
            has_moved: false,
        })
    }

    /// Takes the next events, if they are of the set `S`.
    ///
    /// # Errors
    /// [`DecodeReason`], the reason why the payload cannot be read.
    pub(crate) fn take<S: EventSet>(&mut self) -> Result<Decoded<S>, DecodeReason> {
        let Some(queue) = &mut self.parts else {
            if !self.has_moved && has(S::DESCRIPTORS, self.encoded.name) {
                self.has_moved = true;
                return codec::decode_payload(&self.encoded, self.record);
            }
            return Ok(Decoded::none());
        };
        let mut events = Vec::new();
        while let Some(event) = queue.pop_front() {
            match S::__from_any(event) {
                Ok(event) => events.push(event),
                Err(event) => {
                    queue.push_front(event);
                    break;
                }
            }
        }
        self.has_moved |= !events.is_empty();
        Ok(Decoded::rewritten(events))
    }

    /// Ends a round over all sets; returns whether events are left for another round.
    pub fn goes_on(&mut self) -> bool {
        let is_left = self.parts.as_ref().is_some_and(|queue| !queue.is_empty());
        is_left && std::mem::take(&mut self.has_moved)
    }
}

/// Reads the events, among these, that are read in the place of another; `None` when the event itself is one of
/// these.
///
/// # Errors
/// [`DecodeReason`], the reason why the payload cannot be read.
pub(crate) fn read_parts(
    events: &[&'static EventDescriptor],
    encoded: &EncodedRef<'_>,
    record: &dyn Record,
) -> Result<Option<Vec<Box<dyn AnyEvent>>>, DecodeReason> {
    if !has_sources(events) || has(events, encoded.name) {
        return Ok(None);
    }
    let Some(source) = source(events, encoded.name) else {
        return Ok(None);
    };
    let context = UpcastContext::new(encoded.name, encoded.schema_version, record);
    let mut parts = Vec::new();
    for event in source.event.read(encoded, record)? {
        split(event, &context, events, &mut |part| parts.push(part));
    }
    Ok(Some(parts))
}

/// Passes on an event that is one of those read; otherwise the events that are read in its place.
fn split(
    event: Box<dyn AnyEvent>,
    context: &UpcastContext<'_>,
    events: &[&'static EventDescriptor],
    each: &mut dyn FnMut(Box<dyn AnyEvent>),
) {
    let descriptor = (*event).descriptor();
    if events.contains(&descriptor) {
        each(event);
    } else if let Some(source) = source(events, descriptor.name) {
        for part in (source.split)(event, context) {
            split(part, context, events, each);
        }
    }
}

/// Returns all events that a reader of these selects, each in the newest version that it can read, including the
/// events that these are read in the place of.
pub(crate) fn with_sources(events: &[&'static EventDescriptor]) -> Vec<&'static EventDescriptor> {
    let mut all = events.to_vec();
    let mut next = 0;
    while let Some(event) = all.get(next) {
        for source in event.split_from {
            if !has(&all, source.event.name) {
                all.push(source.event);
            }
        }
        next += 1;
    }
    all
}

/// Returns whether an event of this name is one of these, or is read as one of these.
pub(crate) fn reads(events: &[&'static EventDescriptor], name: &str) -> bool {
    has(events, name) || (has_sources(events) && source(events, name).is_some())
}

fn has(events: &[&'static EventDescriptor], name: &str) -> bool {
    events.iter().any(|event| event.name == name)
}

/// Returns whether any of these is read in the place of another event.
const fn has_sources(events: &[&'static EventDescriptor]) -> bool {
    let mut i = 0;
    while i < events.len() {
        if !events[i].split_from.is_empty() {
            return true;
        }
        i += 1;
    }
    false
}

/// Returns the event of this name that these are read in the place of, directly or through others.
fn source(events: &[&'static EventDescriptor], name: &str) -> Option<&'static SplitSource> {
    let sources = || events.iter().flat_map(|event| event.split_from);
    let found = sources().find(|source| source.event.name == name);
    found.or_else(|| sources().find_map(|source_event| source(&[source_event.event], name)))
}
