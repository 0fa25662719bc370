//! Queries: the events of a log that a reader wants, or that the condition of an append forbids.

use crate::event::EventSet;
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::event::tags::TagsRef;
use crate::limits::TOMBSTONE;
use crate::place::Place;

/// Selects events that match any of its items. A query without items selects all events.
///
/// The model is that of dynamic consistency boundaries (<https://dcb.events/specification/>).
///
/// ```
/// use midgard::store::{Query, QueryItem};
///
/// let query = Query::all()
///     .or(QueryItem::new().name("user.created").tag("email:ann@x.org"))
///     .or(QueryItem::new().name("user.deleted"));
/// assert_eq!(query.items().len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    items: Vec<QueryItem>,
}

impl Query {
    /// Selects all events.
    #[must_use]
    pub const fn all() -> Self {
        Query { items: Vec::new() }
    }

    /// Selects all events, and the tombstones of streams, which [`all`](Query::all) leaves out.
    #[must_use]
    pub fn all_with_tombstones() -> Self {
        let tombstones = QueryItem::new().name(TOMBSTONE);
        Query::all().or(QueryItem::new()).or(tombstones)
    }

    /// Selects the events that a set can read.
    #[must_use]
    pub fn events<S: EventSet>() -> Self {
        Query::all().or(QueryItem::new().events::<S>())
    }

    /// Selects the events of any of these names.
    pub(crate) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names = names.into_iter();
        names.fold(QueryItem::new(), QueryItem::name).into()
    }

    /// Adds an item: events that match it are selected too.
    #[must_use]
    pub fn or(mut self, item: QueryItem) -> Self {
        self.items.push(item);
        self
    }

    /// Returns the items.
    #[must_use]
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Returns whether the query also selects tombstones: an item without tags names
    /// [`StreamTombstoned`](crate::store::StreamTombstoned).
    #[must_use]
    pub fn asks_for_tombstones(&self) -> bool {
        let mut items = self.items.iter().filter(|item| item.tags.is_empty());
        items.any(|item| item.names.iter().any(|name| name == TOMBSTONE))
    }

    /// Returns whether an event matches.
    #[must_use]
    pub fn matches(&self, event: &RecordedEventRef<'_>) -> bool {
        self.matches_parts(event.name, event.tags)
    }

    /// Returns whether an event of this name and these tags matches.
    #[must_use]
    pub fn matches_parts(&self, name: &str, tags: TagsRef<'_>) -> bool {
        self.items.is_empty() || self.items.iter().any(|item| item.matches(name, tags))
    }
}

impl From<QueryItem> for Query {
    fn from(item: QueryItem) -> Self {
        Query { items: vec![item] }
    }
}

/// One alternative of a [`Query`]: events of any of its names that have all of its tags. Without
/// names it matches all names, without tags all tags.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct QueryItem {
    names: Vec<String>,
    tags: Vec<String>,
}

impl QueryItem {
    /// Creates an item that matches every event.
    #[must_use]
    pub const fn new() -> Self {
        QueryItem {
            names: Vec::new(),
            tags: Vec::new(),
        }
    }

    /// Adds an event's name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Adds the names of all events of a set, and the names of old events that are read as them.
    #[must_use]
    pub fn events<S: EventSet>(mut self) -> Self {
        let events = with_sources(S::DESCRIPTORS).into_iter();
        self.names.extend(events.map(|event| event.name.to_owned()));
        self
    }

    /// Adds a tag, `key:value`.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Returns the names, any of which may match.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the tags, all of which must match.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    fn matches(&self, name: &str, tags: TagsRef<'_>) -> bool {
        (self.names.is_empty() || self.names.iter().any(|one| one == name))
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

/// The condition of an append: its log must have no event that matches `query` after the place `after`, which is in the log
/// of the appended streams.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct AppendCondition {
    /// The events that must not exist.
    pub query: Query,
    /// The place up to which the caller has read. [`Place::START`]: no event may match at all.
    pub after: Place,
}
