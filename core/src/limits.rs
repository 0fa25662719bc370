//! Limits on lengths and sizes. They are the same for every store, so that a program can change stores.

use std::fmt;

/// The name of tombstones, which only stores write.
pub(crate) const TOMBSTONE: &str = "midgard.stream_tombstoned";

/// The longest name of a stream, in bytes of UTF-8.
pub const STREAM_NAME_BYTES: usize = 500;
/// The longest name of an event, in bytes of UTF-8.
pub const EVENT_NAME_BYTES: usize = 255;
/// The longest tag (`key:value`), in bytes of UTF-8.
pub const TAG_BYTES: usize = 255;
/// The most tags of one event.
pub const TAGS: usize = 64;
/// The longest key of a header, in bytes of UTF-8.
pub const HEADER_KEY_BYTES: usize = 255;
/// The longest value of a header, in bytes of UTF-8. A value may be empty.
pub const HEADER_VALUE_BYTES: usize = 4096;
/// The most headers of one event.
pub const HEADERS: usize = 64;
/// The largest payload, in bytes: 16 MiB.
pub const PAYLOAD_BYTES: usize = 16 << 20;
/// The most parts of one append: streams, or repeated parts of one stream.
pub const PARTS_PER_APPEND: usize = 10_000;
/// The most events of one append.
pub const EVENTS_PER_APPEND: usize = 10_000;
/// The largest sum of the payloads, tags and headers of one append, in bytes: 64 MiB.
pub const APPEND_BYTES: usize = 64 << 20;

/// The longest id of a process, as text, in bytes of UTF-8: it is part of keys of entries and of messages.
pub const PROCESS_ID_BYTES: usize = 200;
/// The longest key of an entry, in bytes.
pub const ENTRY_KEY_BYTES: usize = 500;
/// The largest value of an entry, in bytes: 16 MiB.
pub const ENTRY_VALUE_BYTES: usize = 16 << 20;
/// The most entries that are changed or expected at once, by a write or by an append.
pub const ENTRIES_PER_WRITE: usize = 1_000_000;
/// The largest sum of the keys and values that are changed or expected at once, in bytes: 128 MiB. Rows of views are
/// entries, so this limits how many events are projected at once: as many as fit. The rows of a single event must fit, too.
pub const ENTRY_WRITE_BYTES: usize = 128 << 20;

/// A limit that a name, header, tag, payload or append violates; nothing was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LimitError {
    /// The value is empty.
    #[error("{0} is empty; give it at least one character")]
    Empty(Limited),
    /// The value is longer than allowed, or there are more than allowed.
    #[error("{what} has {actual} {}; at most {limit} are allowed", what.unit())]
    TooLong {
        /// The kind of value.
        what: Limited,
        /// The limit, in bytes or in items.
        limit: usize,
        /// The actual size, in the same unit.
        actual: usize,
    },
    /// The value contains U+0000, which not every store can keep.
    #[error("{0} contains the character U+0000, which no store accepts; remove it")]
    NulCharacter(Limited),
    /// Only stores write events of this name.
    #[error(
        "the name \"{name}\" is reserved for tombstones, which the store writes itself; give the event another name"
    )]
    ReservedName {
        /// The name.
        name: String,
    },
    /// A version of an event's payload is 0; they count from 1.
    #[error("event \"{name}\" has schema version 0; schema versions count from 1")]
    SchemaVersionZero {
        /// The name of the event.
        name: String,
    },
}

/// The kind of value that a limit applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limited {
    /// The name of a stream.
    StreamName,
    /// The id of an aggregate.
    AggregateId,
    /// The id of a process.
    ProcessId,
    /// The name of an event.
    EventName,
    /// A tag.
    Tag,
    /// The number of tags.
    Tags,
    /// The key of a header.
    HeaderKey,
    /// The value of a header.
    HeaderValue,
    /// The number of headers.
    Headers,
    /// A payload.
    Payload,
    /// The number of parts of one append.
    Parts,
    /// The number of events in one append.
    Events,
    /// The sum of the payloads, tags and headers of one append.
    Append,
    /// The key of an entry.
    EntryKey,
    /// The value of an entry.
    EntryValue,
    /// The number of entries that are changed or expected at once.
    Entries,
    /// The sum of the keys and values that are changed or expected at once.
    EntryWrite,
}

impl Limited {
    const fn unit(self) -> &'static str {
        match self {
            Limited::Tags => "tags",
            Limited::Headers => "headers",
            Limited::Parts => "parts",
            Limited::Events => "events",
            Limited::Entries => "entries",
            _ => "bytes",
        }
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Limited::StreamName => "the name of a stream",
            Limited::AggregateId => "the id of an aggregate",
            Limited::ProcessId => "the id of a process",
            Limited::EventName => "the name of an event",
            Limited::Tag => "a tag",
            Limited::Tags | Limited::Headers => "an event",
            Limited::HeaderKey => "the key of a header",
            Limited::HeaderValue => "the value of a header",
            Limited::Payload => "the payload of an event",
            Limited::Parts | Limited::Events => "an append",
            Limited::Append => "an append, with its payloads, tags and headers,",
            Limited::EntryKey => "the key of an entry",
            Limited::EntryValue => "the value of an entry",
            Limited::Entries | Limited::EntryWrite => "a change of entries",
        })
    }
}

/// Checks one name: not empty, not too long, without U+0000.
pub(crate) fn check_text(what: Limited, limit: usize, text: &str) -> Result<(), LimitError> {
    if text.is_empty() && what != Limited::HeaderValue {
        return Err(LimitError::Empty(what));
    }
    check_size(what, limit, text.len())?;
    if text.contains('\0') {
        return Err(LimitError::NulCharacter(what));
    }
    Ok(())
}

pub(crate) const fn check_size(
    what: Limited,
    limit: usize,
    actual: usize,
) -> Result<(), LimitError> {
    if actual > limit {
        return Err(LimitError::TooLong {
            what,
            limit,
            actual,
        });
    }
    Ok(())
}
