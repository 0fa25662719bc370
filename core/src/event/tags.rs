//! Tags: values of an event that queries can select, such as `email:ann@x.org`.

use crate::event::packed;
use crate::event::packed::PackedIter;
use std::fmt::{self, Display};

/// The tags of an event, each `key:value`.
///
/// Kept as one run of bytes, so that an event without tags allocates nothing.
///
/// ```
/// use midgard::event::Tags;
///
/// let mut tags = Tags::new();
/// tags.push("email", "ann@x.org");
/// assert!(tags.view().contains("email:ann@x.org"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<u8>);

impl Tags {
    /// Creates empty tags.
    #[must_use]
    pub const fn new() -> Self {
        Tags(Vec::new())
    }

    /// Adds the tag `key:value`, unless it is already there.
    pub fn push(&mut self, key: &str, value: impl Display) {
        self.insert(&format!("{key}:{value}"));
    }

    /// Adds a tag that is already formatted as `key:value`.
    pub fn insert(&mut self, tag: &str) {
        if !self.view().contains(tag) {
            packed::push(&mut self.0, tag);
        }
    }

    /// Returns a view of these tags.
    #[must_use]
    pub fn view(&self) -> TagsRef<'_> {
        TagsRef(&self.0)
    }
}

impl<T: AsRef<str>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        let mut all = Tags::new();
        tags.into_iter().for_each(|tag| all.insert(tag.as_ref()));
        all
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.view(), f)
    }
}

/// The tags of a recorded event, read in place.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct TagsRef<'a>(&'a [u8]);

impl<'a> TagsRef<'a> {
    /// Reads tags from the bytes of [`TagsRef::as_bytes`]. `None` when they are damaged.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        packed::is_valid(bytes).then_some(TagsRef(bytes))
    }

    /// Reads bytes that a store has checked.
    pub(crate) const fn from_store(bytes: &'a [u8]) -> Self {
        TagsRef(bytes)
    }

    /// Returns the bytes to store: for each tag its length (a [varint](crate::varint)) and its UTF-8.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the tags, in the order in which they were added.
    #[must_use]
    pub fn iter(self) -> PackedIter<'a> {
        PackedIter::new(self.0)
    }

    /// Returns whether this tag is among them.
    #[must_use]
    pub fn contains(self, tag: &str) -> bool {
        self.iter().any(|one| one == tag)
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Returns a copy that owns its bytes.
    #[must_use]
    pub fn to_owned(self) -> Tags {
        Tags(self.0.to_vec())
    }
}

impl<'a> IntoIterator for TagsRef<'a> {
    type Item = &'a str;
    type IntoIter = PackedIter<'a>;

    fn into_iter(self) -> PackedIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for TagsRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
