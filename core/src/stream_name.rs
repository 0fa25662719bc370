//! The names of streams.

use crate::aggregate::{Aggregate, AsId};
use crate::limits::{self, LimitError, Limited};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a stream: any text of 1 to 500 bytes without U+0000. Cheap to clone.
///
/// The stream of an aggregate is `{aggregate}-{id}`.
///
/// ```
/// use midgard::StreamName;
///
/// let stream = StreamName::new("user-42")?;
/// assert_eq!((stream.as_str(), stream.category()), ("user-42", "user"));
/// assert!(StreamName::new("").is_err());
/// # Ok::<_, midgard::LimitError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`LimitError`] when it is empty, longer than 500 bytes, or contains U+0000.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, LimitError> {
        let name = name.into();
        limits::check_text(Limited::StreamName, limits::STREAM_NAME_BYTES, &name)?;
        Ok(StreamName(name))
    }

    /// The stream of an aggregate: `{aggregate}-{id}`.
    ///
    /// # Errors
    /// [`LimitError`] when the id prints as nothing, is too long, or contains U+0000.
    pub fn of<A: Aggregate>(id: &(impl AsId<A::Id> + ?Sized)) -> Result<Self, LimitError> {
        let name = format!("{}-{id}", A::NAME);
        // The rules of the whole name, said of what the caller gave.
        let before = A::NAME.len() + 1;
        let limit = limits::STREAM_NAME_BYTES.saturating_sub(before);
        limits::check_text(
            Limited::AggregateId,
            limit,
            name.get(before..).unwrap_or_default(),
        )?;
        Ok(StreamName(name.into()))
    }

    /// The id in the name of an aggregate's stream: what [`of`](Self::of) made the name of.
    ///
    /// # Errors
    /// [`AggregateIdError`] when it is no stream of such an aggregate, or when its id cannot be read.
    pub fn id_of<A: Aggregate>(&self) -> Result<A::Id, AggregateIdError> {
        id_of::<A>(&self.0)
    }

    /// A name that a store has kept: it was checked when it was written.
    pub(crate) fn from_store(name: &str) -> Self {
        StreamName(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `-`: the name of the aggregate. The whole name when there is none.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0
            .split_once('-')
            .map_or(&*self.0, |(category, _)| category)
    }
}

/// Why a stream has no id of the aggregate that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateIdError {
    /// It is a stream of something else.
    #[error(
        "stream \"{stream}\" belongs to no aggregate \"{aggregate}\", whose streams are called \"{aggregate}-..\"; \
         name the aggregate that it belongs to"
    )]
    OtherAggregate {
        /// The name of the stream.
        stream: String,
        /// The name of the aggregate that was asked for.
        aggregate: &'static str,
    },
    /// The type of the aggregate's ids does not read what it printed once.
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

/// The id in the name of a stream.
pub(crate) fn id_of<A: Aggregate>(stream: &str) -> Result<A::Id, AggregateIdError> {
    let id = stream
        .strip_prefix(A::NAME)
        .and_then(|rest| rest.strip_prefix('-'));
    let Some(id) = id else {
        return Err(AggregateIdError::OtherAggregate {
            stream: stream.to_owned(),
            aggregate: A::NAME,
        });
    };
    id.parse().map_err(|_| AggregateIdError::Unreadable {
        stream: stream.to_owned(),
        id_type: std::any::type_name::<A::Id>(),
    })
}

impl FromStr for StreamName {
    type Err = LimitError;

    fn from_str(name: &str) -> Result<Self, LimitError> {
        StreamName::new(name)
    }
}

impl AsRef<str> for StreamName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
