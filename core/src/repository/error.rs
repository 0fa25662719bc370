//! The errors of a repository, and what to do about each.

use crate::error::{Classify, ErrorKind};
use crate::event::codec::DecodeError;
use crate::event::registry::RegistryError;
use crate::limits::LimitError;
use crate::place::Version;
use crate::store::{AppendError, StoreError};
use crate::stream_name::StreamName;
use std::error::Error;
use std::fmt::{self, Debug, Display};

/// Why an aggregate could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// An event of its stream could not be read. It is never skipped.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The stream was ended for good.
    #[error("stream \"{stream}\" was tombstoned at version {version}; its events are gone")]
    Tombstoned {
        /// The stream.
        stream: StreamName,
        /// Its last version.
        version: Version,
    },
    /// The beginning of the stream was truncated; without it the state cannot be rebuilt.
    #[error(
        "stream \"{stream}\" begins at version {first}: the events before it were truncated, so its state cannot be rebuilt"
    )]
    Truncated {
        /// The stream.
        stream: StreamName,
        /// The first version that is still there.
        first: Version,
    },
    /// A version is missing from the stream: the store broke its promise.
    #[error(
        "stream \"{stream}\" lacks version {missing}: version {found} came instead; the store is damaged, restore it from a backup"
    )]
    Gap {
        /// The stream.
        stream: StreamName,
        /// The missing version.
        missing: Version,
        /// The version found in its place.
        found: Version,
    },
    /// The stream ends before its last version: the store broke its promise.
    #[error(
        "stream \"{stream}\" lacks version {missing} and all after it, up to {last}; the store is damaged, restore it from a backup"
    )]
    Cut {
        /// The stream.
        stream: StreamName,
        /// The first version that is missing.
        missing: Version,
        /// Its last version.
        last: Version,
    },
    /// The stream does not have the requested version yet.
    #[error("stream \"{stream}\" has no version {asked} yet; its last version is {last}")]
    NoSuchVersion {
        /// The stream.
        stream: StreamName,
        /// The requested version.
        asked: Version,
        /// Its last version.
        last: Version,
    },
    /// A unit of work read the stream, and it changed before the unit read its first decision model. They are not of one moment, so
    /// nothing can be decided on both: the unit of work is run again, whatever it does with this error.
    #[error(
        "stream \"{stream}\" was read at version {read}, and was at version {now} when the first decision model was read; the unit of work runs again"
    )]
    Overtaken {
        /// The stream.
        stream: StreamName,
        /// The version that was read.
        read: Version,
        /// Its last version.
        now: Version,
    },
    /// One unit of work loaded two types of aggregates from one stream.
    #[error(
        "two aggregates use the stream \"{stream}\"; give each a name of its own, with `#[aggregate(name = \"..\")]`"
    )]
    TwoAggregates {
        /// The stream.
        stream: StreamName,
    },
    /// Two event types of the program claim one name.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<LimitError> for LoadError {
    fn from(error: LimitError) -> Self {
        LoadError::Store(error.into())
    }
}

impl Classify for LoadError {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            LoadError::Tombstoned { .. } => ErrorKind::Gone,
            LoadError::Overtaken { .. } => ErrorKind::Conflict,
            LoadError::Store(error) => error.kind(),
            _ => ErrorKind::Internal,
        }
    }
}

/// Why a command had no effect. `E` is the command's own error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// The aggregate refused.
    Rejected(E),
    /// Others appended to the stream on every try.
    Conflict {
        /// The number of tries.
        tries: u32,
        /// The last conflict.
        last: AppendError,
    },
    /// The aggregate could not be loaded.
    Load(LoadError),
    /// Its events could not be appended.
    Append(AppendError),
}

impl<E> ExecuteError<E> {
    /// Converts the command's own error into another type, for commands of several aggregates that execute together.
    pub fn map_rejected<O>(self, into: impl FnOnce(E) -> O) -> ExecuteError<O> {
        match self {
            ExecuteError::Rejected(error) => ExecuteError::Rejected(into(error)),
            ExecuteError::Conflict { tries, last } => ExecuteError::Conflict { tries, last },
            ExecuteError::Load(error) => ExecuteError::Load(error),
            ExecuteError::Append(error) => ExecuteError::Append(error),
        }
    }
}

impl<E> From<LoadError> for ExecuteError<E> {
    fn from(error: LoadError) -> Self {
        ExecuteError::Load(error)
    }
}

impl<E: Display> Classify for ExecuteError<E> {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            ExecuteError::Rejected(error) => ErrorKind::Rejected(error),
            ExecuteError::Conflict { .. } => ErrorKind::Conflict,
            ExecuteError::Load(error) => error.kind(),
            ExecuteError::Append(error) => error.kind(),
        }
    }
}

impl<E: Display> Display for ExecuteError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecuteError::Rejected(error) => write!(f, "the command was rejected: {error}"),
            ExecuteError::Conflict { tries, last } => {
                write!(
                    f,
                    "the command met a conflict on each of {tries} tries: {last}"
                )
            }
            ExecuteError::Load(error) => Display::fmt(error, f),
            ExecuteError::Append(error) => Display::fmt(error, f),
        }
    }
}

// An error that the message already includes is not also its source: a chain of errors says everything once.
impl<E: Error + 'static> Error for ExecuteError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExecuteError::Rejected(error) => error.source(),
            ExecuteError::Conflict { last: error, .. } | ExecuteError::Append(error) => {
                error.source()
            }
            ExecuteError::Load(error) => error.source(),
        }
    }
}
