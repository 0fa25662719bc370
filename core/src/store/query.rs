//! Which events of a log a reader, or the condition of an append, asks for.

use crate::event::EventSet;
use crate::event::reading::with_sources;
use crate::event::record::RecordedEventRef;
use crate::event::tags::TagsRef;
use crate::limits::TOMBSTONE;
use crate::place::Place;

/// Which events: any of the items. A query without items asks for all events.
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
    /// All events.
    #[must_use]
    pub const fn all() -> Self {
        Query { items: Vec::new() }
    }

    /// All events, and the tombstones of streams, which [`all`](Query::all) leaves out.
    #[must_use]
    pub fn all_with_tombstones() -> Self {
        let tombstones = QueryItem::new().name(TOMBSTONE);
        Query::all().or(QueryItem::new()).or(tombstones)
    }

    /// The events of a set: those that it can read.
    #[must_use]
    pub fn events<S: EventSet>() -> Self {
        Query::all().or(QueryItem::new().events::<S>())
    }

    /// The events of any of these names.
    pub(crate) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names = names.into_iter();
        names.fold(QueryItem::new(), QueryItem::name).into()
    }

    /// Adds an item: events that match it are asked for too.
    #[must_use]
    pub fn or(mut self, item: QueryItem) -> Self {
        self.items.push(item);
        self
    }

    /// The items.
    #[must_use]
    pub fn items(&self) -> &[QueryItem] {
        &self.items
    }

    /// Whether tombstones are read too: an item without tags names
    /// [`StreamTombstoned`](crate::store::StreamTombstoned).
    #[must_use]
    pub fn asks_for_tombstones(&self) -> bool {
        let mut items = self.items.iter().filter(|item| item.tags.is_empty());
        items.any(|item| item.names.iter().any(|name| name == TOMBSTONE))
    }

    /// Whether an event is asked for.
    #[must_use]
    pub fn matches(&self, event: &RecordedEventRef<'_>) -> bool {
        self.matches_parts(event.name, event.tags)
    }

    /// Whether an event of this name and these tags is asked for.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryItem {
    names: Vec<String>,
    tags: Vec<String>,
}

impl QueryItem {
    /// An item that matches every event.
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

    /// Adds the names of all events of a set, and of those in whose place they are read.
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

    /// The names: any of them.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The tags: all of them.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    fn matches(&self, name: &str, tags: TagsRef<'_>) -> bool {
        (self.names.is_empty() || self.names.iter().any(|one| one == name))
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

/// What must not have happened for an append to go through: no event that matches `query` after the place `after`, in
/// its log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct AppendCondition {
    /// The events that must not be there.
    pub query: Query,
    /// Up to which place the caller has seen them. [`Place::START`]: none may be there at all.
    pub after: Place,
}
