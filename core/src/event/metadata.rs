//! The metadata of an event: its id, its correlation and causation, and free headers.

use crate::event::packed;
use crate::event::packed::PackedIter;
use crate::limits::{self, LimitError, Limited};
use crate::serde_as_text::serde_as_text;
use crate::uuid_v7;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The id of an event, or of another message that can cause one: a UUID, version 7 when made here (RFC 9562), so that
/// ids sort roughly by time.
///
/// Two processes never make the same id, even when one is a fork of the other. Serde writes it as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// Creates a new id. Those of one thread sort in the order in which they were made.
    ///
    /// # Panics
    /// When the system has no random bytes, which never happens on a system that is set up.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        EventId(uuid_v7::now())
    }

    /// Creates the id of these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        EventId(Uuid::from_bytes(bytes))
    }

    /// Returns the 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl From<Uuid> for EventId {
    fn from(id: Uuid) -> Self {
        EventId(id)
    }
}

impl From<EventId> for Uuid {
    fn from(id: EventId) -> Uuid {
        id.0
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(EventId)
    }
}

serde_as_text!(EventId, "the id of an event, a UUID");

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The correlation and causation of an event, and free headers. Passed with a command, and recorded with its events.
///
/// All messages that follow from one cause share the correlation id; the causation id names the message that directly
/// led here. Without a correlation id, the events of a command get the first event's id as theirs, and messages
/// [following](Metadata::following) from them carry it on.
///
/// ```
/// use midgard::Metadata;
///
/// let metadata = Metadata::new().with_header("user", "jun");
/// assert_eq!(metadata.headers().get("user"), Some("jun"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    correlation_id: Option<EventId>,
    causation_id: Option<EventId>,
    headers: Headers,
}

impl Metadata {
    /// Creates empty metadata.
    #[must_use]
    pub const fn new() -> Self {
        Metadata {
            correlation_id: None,
            causation_id: None,
            headers: Headers::new(),
        }
    }

    /// Creates metadata with these ids, without headers.
    pub(crate) const fn of(correlation_id: Option<EventId>, causation_id: Option<EventId>) -> Self {
        Metadata {
            correlation_id,
            causation_id,
            headers: Headers::new(),
        }
    }

    /// Sets the correlation id.
    #[must_use]
    pub const fn with_correlation_id(mut self, id: EventId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Sets the causation id.
    #[must_use]
    pub const fn with_causation_id(mut self, id: EventId) -> Self {
        self.causation_id = Some(id);
        self
    }

    /// Sets a header, replacing one with the same key.
    #[must_use]
    pub fn with_header(mut self, key: &str, value: &str) -> Self {
        self.headers.insert(key, value);
        self
    }

    /// Sets all headers.
    #[must_use]
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Returns the id that all messages from one cause share.
    #[must_use]
    pub const fn correlation_id(&self) -> Option<EventId> {
        self.correlation_id
    }

    /// Returns the id of the message that directly led here.
    #[must_use]
    pub const fn causation_id(&self) -> Option<EventId> {
        self.causation_id
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> HeadersRef<'_> {
        self.headers.view()
    }
}

/// Free headers of an event: keys and values, each any text within its limit.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<u8>);

impl Headers {
    /// Creates empty headers.
    #[must_use]
    pub const fn new() -> Self {
        Headers(Vec::new())
    }

    /// Sets a header, replacing one with the same key. Reads all headers: [collect](FromIterator) many.
    pub fn insert(&mut self, key: &str, value: &str) {
        if self.view().get(key).is_some() {
            let all = std::mem::take(&mut self.0);
            for (other, kept) in HeadersRef(&all).iter().filter(|(other, _)| *other != key) {
                self.push(other, kept);
            }
        }
        self.push(key, value);
    }

    /// Adds a header whose key is not there yet.
    fn push(&mut self, key: &str, value: &str) {
        packed::push(&mut self.0, key);
        packed::push(&mut self.0, value);
    }

    /// Returns a view of these headers.
    #[must_use]
    pub fn view(&self) -> HeadersRef<'_> {
        HeadersRef(&self.0)
    }
}

/// Collects headers as if [inserted](Headers::insert) one after the other, in linear time.
impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(headers: I) -> Self {
        let given = Vec::from_iter(headers);
        let mut last = HashMap::with_capacity(given.len());
        for (index, (key, _)) in given.iter().enumerate() {
            last.insert(key.as_ref(), index);
        }
        let mut all = Headers::new();
        for (index, (key, value)) in given.iter().enumerate() {
            // A header that is set again moves to where it was set last.
            if last.get(key.as_ref()) == Some(&index) {
                all.push(key.as_ref(), value.as_ref());
            }
        }
        all
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.view(), f)
    }
}

/// The headers of a recorded event, read in place.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadersRef<'a>(&'a [u8]);

impl<'a> HeadersRef<'a> {
    /// Reads headers from the bytes of [`HeadersRef::as_bytes`]. `None` when they are damaged.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let whole = packed::is_valid(bytes) && PackedIter::new(bytes).count().is_multiple_of(2);
        whole.then_some(HeadersRef(bytes))
    }

    /// Reads bytes that a store has checked.
    pub(crate) const fn from_store(bytes: &'a [u8]) -> Self {
        HeadersRef(bytes)
    }

    /// Returns the bytes to store: for each key and each value its length (a [varint](crate::varint)) and its UTF-8.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the value of a header.
    #[must_use]
    pub fn get(self, key: &str) -> Option<&'a str> {
        self.iter()
            .find(|(one, _)| *one == key)
            .map(|(_, value)| value)
    }

    /// Returns the headers, in the order in which they were set.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut texts = PackedIter::new(self.0);
        std::iter::from_fn(move || Some((texts.next()?, texts.next()?)))
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns a copy that owns its bytes.
    #[must_use]
    pub fn to_owned(self) -> Headers {
        Headers(self.0.to_vec())
    }
}

impl fmt::Debug for HeadersRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Checks the limits of the headers of an event, or of a message that is to be read elsewhere.
pub(crate) fn check_headers(headers: HeadersRef<'_>) -> Result<(), LimitError> {
    let mut count = 0;
    for (key, value) in headers.iter() {
        count += 1;
        limits::check_text(Limited::HeaderKey, limits::HEADER_KEY_BYTES, key)?;
        limits::check_text(Limited::HeaderValue, limits::HEADER_VALUE_BYTES, value)?;
    }
    limits::check_size(Limited::Headers, limits::HEADERS, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_collected_are_as_if_inserted_one_after_the_other() {
        for step in 1..200 {
            // Keys that come back after one another and in between.
            let keys = (0..40).map(|number| number * step % 13);
            let given: Vec<(String, String)> = keys
                .enumerate()
                .map(|(number, key)| (key.to_string(), number.to_string()))
                .collect();
            let mut inserted = Headers::new();
            for (key, value) in &given {
                inserted.insert(key, value);
            }
            assert_eq!(Headers::from_iter(given), inserted);
        }
    }

    /// Ten thousand million steps, if each were compared with all before it.
    #[test]
    fn headers_are_collected_in_linear_time_however_many_and_however_often_one_is_set() {
        let distinct = (0..100_000).map(|number| (number.to_string(), "value"));
        let repeated = (0..100_000).map(|number| {
            (
                "one".to_owned(),
                if number == 99_999 { "last" } else { "value" },
            )
        });
        let headers = Headers::from_iter(distinct.chain(repeated));
        assert_eq!(headers.view().iter().count(), 100_001);
        assert_eq!(headers.view().iter().last(), Some(("one", "last")));
    }
}
