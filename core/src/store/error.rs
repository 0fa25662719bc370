//! The errors of stores, as enums to match on. Every message is a sentence with names and numbers.

use crate::cause::Whole;
use crate::error::{Classify, ErrorKind};
use crate::event::codec::EncodeError;
use crate::event::metadata::EventId;
use crate::limits::LimitError;
use crate::place::{LogId, Place, Position, Version};
use crate::store::ExpectedVersion;
use crate::stream_name::StreamName;
use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::path::PathBuf;

/// Why a store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A name, header, tag or payload was refused.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A stored record is damaged, or was not written by midgard.
    #[error(
        "the record at position {position} of log {log}{} is damaged: {reason}; restore it from a backup",
        InStream(stream.as_deref())
    )]
    Corrupt {
        /// The log of the record.
        log: LogId,
        /// Its position.
        position: Position,
        /// The stream, if known.
        stream: Option<String>,
        /// What is wrong with the record.
        reason: String,
    },
    /// The store was written by a newer release, in a format that this one does not know.
    #[error(
        "the store at {} has format {found}; this release reads formats 1 to {supported}: use the release that wrote it, or a newer one",
        path.display()
    )]
    NewerFormat {
        /// The path of the store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this release knows.
        supported: u32,
    },
    /// The opened path is not a store of midgard.
    #[error("{} is not a store of midgard: {reason}; open another directory", path.display())]
    Foreign {
        /// The opened path.
        path: PathBuf,
        /// Why it is not a store.
        reason: String,
    },
    /// The store is full. Everything acknowledged is kept, and the store works again once there is room.
    #[error("{0}; what was acknowledged before is kept")]
    Full(Full),
    /// The connection or the disk failed while an append was being committed: it may or may not be stored. Append the
    /// same events (with the same ids) again to find out.
    #[error(
        "it is not known whether the append was committed ({reason}); append the same events again to find out"
    )]
    OutcomeUnknown {
        /// What failed.
        reason: String,
    },
    /// The server of the store cannot be reached, or has no connection to spare. Nothing was written. The store works
    /// again as soon as the server does.
    #[error("the store cannot be reached: {reason}")]
    Unreachable {
        /// What failed, and what to do.
        reason: String,
    },
    /// The store was closed, or its writer ended.
    #[error("the store at {location} is closed; open it again")]
    Closed {
        /// The location of the store.
        location: String,
    },
    /// The files of an open store are gone, or the locks on them were released. Nothing was written.
    #[error("the store at {} cannot be used any more: {reason}", path.display())]
    Lost {
        /// The path that was opened.
        path: PathBuf,
        /// What happened, and what to do.
        reason: String,
    },
    /// The store was opened before the process was forked, and cannot be used in both processes.
    #[error(
        "the store at {} was opened before this process was forked, and cannot be used here; open it after the fork and not before, or start the child as a program of its own",
        path.display()
    )]
    Forked {
        /// The path that was opened.
        path: PathBuf,
    },
    /// The store was opened read-only. Nothing was written.
    #[error(
        "the store at {} was opened read-only, and this would write to it; open it for writing, or use another store",
        path.display()
    )]
    ReadOnly {
        /// The path of the store.
        path: PathBuf,
    },
    /// Views were to be stored in a store that cannot hold them.
    #[error(
        "views cannot be kept in this store, as it was wrapped with `DynStore::new`; wrap an embedded store with `DynStore::embedded`"
    )]
    NotEmbedded,
    /// The requested log does not exist in this store.
    #[error("the store has no log {log}; its logs are 0 to {last}")]
    UnknownLog {
        /// The requested log.
        log: LogId,
        /// The last log that exists.
        last: LogId,
    },
    /// An append concerns several logs of the store: each stream is in one log, and an append is atomic in one log only.
    /// Nothing was written.
    #[error(
        "the append concerns log {one} and log {other}, and is atomic in one log only: give streams that are appended together names that put them in one log, or append to each log by itself; a condition looks at the log of the streams"
    )]
    SeveralLogs {
        /// One of the logs.
        one: LogId,
        /// Another one.
        other: LogId,
    },
    /// The underlying system failed.
    #[error("the store could not {action}: {}", Whole(&**cause))]
    Backend {
        /// The action that failed.
        action: &'static str,
        /// The underlying failure, which the message includes.
        cause: Box<dyn Error + Send + Sync>,
    },
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            StoreError::Limit(_) => ErrorKind::Invalid,
            StoreError::Full(_) => ErrorKind::Full,
            StoreError::OutcomeUnknown { .. } => ErrorKind::OutcomeUnknown,
            _ => ErrorKind::Internal,
        }
    }
}

/// The resource that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Full {
    /// The disk, or the quota on it.
    Disk,
    /// The address space of the store, which cannot grow.
    Map,
    /// The slots for concurrent readers.
    Readers {
        /// The number of slots.
        slots: u32,
    },
}

impl Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::Disk => f.write_str("the disk is full; free some space and try again"),
            Full::Map => f.write_str(
                "the store's map cannot grow further; free some address space and try again",
            ),
            Full::Readers { slots } => {
                write!(
                    f,
                    "all {slots} slots for readers are taken; let some reads end and try again"
                )
            }
        }
    }
}

struct InStream<'a>(Option<&'a str>);
impl Display for InStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .map_or(Ok(()), |stream| write!(f, " (stream \"{stream}\")"))
    }
}

/// Why an append failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The stream is not at the version that the caller expected.
    #[error("stream \"{stream}\" was expected {expected} but {}; load it again and decide again", Actual(*actual))]
    Conflict {
        /// The stream.
        stream: StreamName,
        /// The expected version.
        expected: ExpectedVersion,
        /// Its last version; zero when it has no events.
        actual: Version,
    },
    /// An event exists that the append's condition rules out.
    #[error(
        "the append's condition failed: the event at position {place} matches its query after position {after}; read again and decide again"
    )]
    ConditionFailed {
        /// The place after which no event was allowed.
        after: Place,
        /// The first event that matches.
        place: Place,
    },
    /// The stream was ended for good.
    #[error(
        "stream \"{stream}\" was tombstoned at version {version} and takes no more events; use another stream"
    )]
    Tombstoned {
        /// The stream.
        stream: StreamName,
        /// Its last version.
        version: Version,
    },
    /// An entry is not as the append expected. Nothing was appended, and no entry was changed.
    #[error(
        "entry \"{}\" was changed by another write; read it again and decide again",
        key.escape_ascii()
    )]
    EntryChanged {
        /// Its key.
        key: Vec<u8>,
    },
    /// A stored event has the id of a new event that differs from it, so this is not a retry. Nothing was appended.
    #[error(
        "the id {id} belongs to version {version} of stream \"{stream}\", and the event to append has another {difference}: this is not a retry; give the event an id of its own"
    )]
    IdTaken {
        /// The id.
        id: EventId,
        /// The stream of the stored event.
        stream: StreamName,
        /// The version of the stored event.
        version: Version,
        /// How the two events differ.
        difference: IdDifference,
    },
    /// Two events of the append have one id. Nothing was appended.
    #[error("two events of the append have the id {id}; give each an id of its own")]
    IdRepeated {
        /// The id.
        id: EventId,
    },
    /// An event could not be encoded so that it can be read. Nothing was appended.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for AppendError {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            AppendError::Conflict { .. }
            | AppendError::ConditionFailed { .. }
            | AppendError::EntryChanged { .. } => ErrorKind::Conflict,
            AppendError::Tombstoned { .. } => ErrorKind::Gone,
            AppendError::Store(error) => error.kind(),
            AppendError::IdTaken { .. }
            | AppendError::IdRepeated { .. }
            | AppendError::Encode(_) => ErrorKind::Internal,
        }
    }
}

/// How two events with the same id differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdDifference {
    /// They are in different streams.
    Stream,
    /// Their names differ.
    Name,
    /// Their schema versions differ.
    SchemaVersion,
    /// Their codecs differ.
    Codec,
    /// The bytes of their payloads differ.
    Payload,
}

impl Display for IdDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IdDifference::Stream => "stream",
            IdDifference::Name => "name",
            IdDifference::SchemaVersion => "version of its payload",
            IdDifference::Codec => "codec",
            IdDifference::Payload => "payload",
        })
    }
}

impl From<LimitError> for AppendError {
    fn from(error: LimitError) -> Self {
        AppendError::Store(error.into())
    }
}

impl From<EntryError> for AppendError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Changed { key } => AppendError::EntryChanged { key },
            EntryError::Store(error) => AppendError::Store(error),
        }
    }
}

struct Actual(Version);
impl Display for Actual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Version::ZERO => f.write_str("has no events"),
            version => write!(f, "is at version {version}"),
        }
    }
}

/// Why entries were not changed. None was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// An entry is not as expected.
    #[error(
        "entry \"{}\" was changed by another write; read it again and decide again",
        key.escape_ascii()
    )]
    Changed {
        /// Its key.
        key: Vec<u8>,
    },
    /// The store failed. After [`StoreError::OutcomeUnknown`] the change may have been made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LimitError> for EntryError {
    fn from(error: LimitError) -> Self {
        EntryError::Store(error.into())
    }
}
