//! Appends that say on what condition they were made: each event stores it, so that a replay can decide again.

use super::super::Random;
use crate::common::stream;
use midgard::event::{NewEvent, RecordedEvent};
use midgard::store::{
    Append, AppendCondition, ExpectedVersion, Query, QueryItem, StreamTombstoned,
};
use midgard::{Event as _, Place, Position};
use serde::{Deserialize, Serialize};

/// Tags that are asked for all the time.
const SEATS: usize = 48;
/// Tags that should be there once.
const REQUESTS: usize = 5_000;

/// An append, as all its events store it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// Its number, which no other append has.
    pub(super) number: u64,
    /// The streams, and how many events are for each.
    pub(super) parts: Vec<(String, usize)>,
    pub(super) condition: Option<Condition>,
}

/// The condition of an append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Condition {
    /// The items of its query: names and tags.
    items: Vec<(Vec<String>, Vec<String>)>,
    pub(super) after: u64,
}

/// What is stored in an event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) attempt: Attempt,
    /// Which of its events this is.
    pub(super) index: usize,
}

impl Stored {
    /// What an event stores; `None` for a tombstone.
    pub(super) fn of(event: &RecordedEvent) -> Option<Self> {
        let is_tombstone = event.name == StreamTombstoned::NAME;
        (!is_tombstone).then(|| serde_json::from_slice(&event.payload).unwrap())
    }
}

impl Attempt {
    /// The stream of each event.
    pub(super) fn streams(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter();
        parts.flat_map(|(name, count)| std::iter::repeat_n(name.as_str(), *count))
    }

    /// The append, with random events. The first one has this tag too.
    pub(super) fn append(&self, random: &mut Random, tag: Option<&str>) -> Append {
        let mut index = 0;
        let mut event = || {
            let (attempt, mut event) = (self.clone(), event(random));
            event.payload = serde_json::to_vec(&Stored { attempt, index }).unwrap();
            if let Some(tag) = tag.filter(|_| index == 0) {
                event.tags.insert(tag);
            }
            index += 1;
            event
        };
        let append = self.parts.iter().fold(Append::default(), |append, part| {
            let (name, count) = part;
            let events: Vec<_> = (0..*count).map(|_| event()).collect();
            append.and(stream(name), ExpectedVersion::Any, events)
        });
        match &self.condition {
            Some(condition) => append.unless(AppendCondition {
                query: condition.query(),
                after: Place::main(Position(condition.after)),
            }),
            None => append,
        }
    }
}

impl Condition {
    pub(super) fn new(query: &Query, after: Position) -> Self {
        let items = query.items().iter();
        Condition {
            items: items
                .map(|item| (item.names().to_vec(), item.tags().to_vec()))
                .collect(),
            after: after.get(),
        }
    }

    pub(super) fn query(&self) -> Query {
        self.items.iter().fold(Query::all(), |query, item| {
            let (names, tags) = item;
            let item = names.iter().fold(QueryItem::new(), QueryItem::name);
            query.or(tags.iter().fold(item, QueryItem::tag))
        })
    }

    /// The keys under which an event that it forbids is found: a tag, or names, of each item. `None` stands for all events.
    pub(super) fn keys(&self) -> Vec<Option<&str>> {
        if self.items.is_empty() {
            return vec![None];
        }
        let keys = self
            .items
            .iter()
            .flat_map(|(names, tags)| match tags.first() {
                Some(tag) => vec![Some(tag.as_str())],
                None => names.iter().map(|name| Some(name.as_str())).collect(),
            });
        keys.collect()
    }
}

/// Whether a query selects an event.
pub(super) fn selects(query: &Query, event: &RecordedEvent) -> bool {
    let is_tombstone = event.name == StreamTombstoned::NAME;
    query.matches(&event.view()) && (!is_tombstone || query.asks_for_tombstones())
}

/// A tag that is asked for with "was there one before?".
pub(super) fn request(random: &mut Random) -> String {
    format!("request:{}", random.below(REQUESTS))
}

fn seat(random: &mut Random) -> String {
    format!("seat:{}", random.below(SEATS))
}

fn event(random: &mut Random) -> NewEvent {
    let mut event = random.event();
    if random.below(3) == 0 {
        event.tags.insert(&seat(random));
    }
    event
}

/// A query for names, tags or both, which occur often, rarely, or never.
pub(super) fn query(random: &mut Random) -> Query {
    let item = |random: &mut Random| match random.below(8) {
        0 => QueryItem::new().name("rare"),
        1 => QueryItem::new().name(StreamTombstoned::NAME),
        2 | 3 => QueryItem::new().tag(seat(random)),
        4 => QueryItem::new()
            .name("rare")
            .name("name-1")
            .tag(seat(random)),
        5 => QueryItem::new().tag("kind:1").tag(seat(random)),
        _ => random.item(&[]),
    };
    if random.below(24) == 0 {
        return Query::all();
    }
    let items = 1 + random.below(3);
    (0..items).fold(Query::all(), |query, _| query.or(item(random)))
}
