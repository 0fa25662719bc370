//! The names of streams.

use crate::limits::{self, LimitError, Limited};
use crate::serde_as_text::serde_as_text;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a stream: any text of 1 to 500 bytes without U+0000. Cheap to clone. Serde writes it as text.
///
/// The stream of an aggregate is `{aggregate}-{id}`.
///
/// ```
/// use midgard::StreamName;
///
/// let stream = StreamName::new("user-42")?;
/// assert_eq!((stream.as_str(), stream.category()), ("user-42", "user"));
/// assert!(StreamName::new("").is_err());
/// # Ok::<_, midgard::limits::LimitError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// Creates a name, after checking it.
    ///
    /// # Errors
    /// [`LimitError`] when it is empty, longer than 500 bytes, or contains U+0000.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, LimitError> {
        let name = name.into();
        limits::check_text(Limited::StreamName, limits::STREAM_NAME_BYTES, &name)?;
        Ok(StreamName(name))
    }

    /// Creates a name read from a store: it was checked when it was written.
    pub(crate) fn from_store(name: &str) -> Self {
        StreamName(name.into())
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the first `-`, the name of the aggregate; the whole name when there is no `-`.
    #[must_use]
    pub fn category(&self) -> &str {
        self.0
            .split_once('-')
            .map_or(&*self.0, |(category, _)| category)
    }
}

impl FromStr for StreamName {
    type Err = LimitError;

    fn from_str(name: &str) -> Result<Self, LimitError> {
        StreamName::new(name)
    }
}

serde_as_text!(StreamName, "the name of a stream");

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
