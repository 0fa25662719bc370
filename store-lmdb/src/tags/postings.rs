//! Positions by keys, in memory.

use super::{TagKey, TagKeys};
use crate::tail::KeyHasher;
use midgard::Position;
use midgard::event::NewEvent;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::RangeInclusive;

/// Adjacent positions, of which each has the key: an import of events of one name has one span of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: Position,
    pub(crate) last: Position,
}

impl Span {
    pub(crate) const fn of(position: Position) -> Self {
        Span {
            first: position,
            last: position,
        }
    }

    /// Returns the number of its positions.
    pub(crate) const fn count(self) -> usize {
        (self.last.get() - self.first.get()) as usize + 1
    }

    /// Returns its part within some positions.
    pub(crate) fn within(self, positions: &RangeInclusive<Position>) -> Option<Self> {
        let (first, last) = (
            self.first.max(*positions.start()),
            self.last.min(*positions.end()),
        );
        (first <= last).then_some(Span { first, last })
    }
}

/// The spans of a key, in order. Most tags are met once: one span needs no memory of its own.
#[derive(Debug)]
struct Spans {
    first: Span,
    more: Vec<Span>,
}

impl Spans {
    fn iter(&self) -> impl Iterator<Item = Span> {
        std::iter::once(self.first).chain(self.more.iter().copied())
    }

    fn last_mut(&mut self) -> &mut Span {
        self.more.last_mut().unwrap_or(&mut self.first)
    }

    /// Returns those that have some of the positions, clipped.
    fn within(&self, positions: &RangeInclusive<Position>) -> impl Iterator<Item = Span> {
        let start = |span: &Span| span.last < *positions.start();
        let end = |span: &Span| span.first <= *positions.end();
        let more = &self.more[self.more.partition_point(start)..];
        let more = &more[..more.partition_point(end)];
        let spans = std::iter::once(&self.first).chain(more);
        spans.filter_map(move |span| span.within(positions))
    }
}

/// The positions of keys.
#[derive(Debug, Default)]
pub(crate) struct Postings {
    by_key: HashMap<TagKey, Spans, BuildHasherDefault<KeyHasher>>,
    spans: usize,
}

impl Postings {
    /// Adds positions behind those that the key has; those that it has are left out.
    pub(crate) fn insert(&mut self, key: TagKey, mut span: Span) {
        use std::collections::hash_map::Entry;
        match self.by_key.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Spans {
                    first: span,
                    more: Vec::new(),
                });
            }
            Entry::Occupied(entry) => {
                let spans = entry.into_mut();
                let last = spans.last_mut();
                span.first = span.first.max(last.last.next());
                if span.first > span.last {
                    return;
                }
                if span.first == last.last.next() {
                    last.last = span.last;
                    return;
                }
                spans.more.push(span);
            }
        }
        self.spans += 1;
    }

    /// Returns the number of spans.
    pub(crate) const fn spans(&self) -> usize {
        self.spans
    }

    pub(crate) fn clear(&mut self) {
        self.by_key.clear();
        self.spans = 0;
    }

    /// Returns the spans of a key within some positions.
    pub(crate) fn within(&self, key: TagKey, positions: &RangeInclusive<Position>) -> Vec<Span> {
        let spans = self.by_key.get(&key);
        spans.map_or_else(Vec::new, |spans| spans.within(positions).collect())
    }

    /// Forgets everything outside of some positions.
    pub(crate) fn retain(&mut self, positions: &RangeInclusive<Position>) {
        let mut left = 0;
        self.by_key.retain(|_, spans| {
            let mut kept: Vec<_> = spans.within(positions).collect();
            left += kept.len();
            if kept.is_empty() {
                return false;
            }
            spans.first = kept.remove(0);
            spans.more = kept;
            true
        });
        self.spans = left;
    }

    /// Returns everything within some positions, in the order of keys.
    pub(crate) fn sorted(&self, positions: &RangeInclusive<Position>) -> Vec<(TagKey, Span)> {
        let mut keys: Vec<_> = self.by_key.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| **key);
        let spans = keys.into_iter();
        let spans = spans.flat_map(|(key, spans)| {
            let within = spans.iter().filter_map(|span| span.within(positions));
            within.map(|span| (*key, span))
        });
        spans.collect()
    }
}

/// The keys of the records of a group, in the order of their positions.
#[derive(Debug, Default)]
pub(crate) struct Added {
    entries: Vec<(TagKey, Span)>,
    /// The name of the last event and its key: the next event often has the same.
    name: String,
    key: Option<TagKey>,
}

impl Added {
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Adds the keys of an event.
    pub(crate) fn event(&mut self, keys: &TagKeys, position: Position, event: &NewEvent) {
        let key = match self.key {
            Some(key) if self.name == event.name => key,
            _ => {
                self.name.clear();
                self.name.push_str(&event.name);
                *self.key.insert(keys.name(event.name.as_bytes()))
            }
        };
        self.add(key, position);
        for tag in event.tags.view() {
            self.add(keys.tag(tag.as_bytes()), position);
        }
    }

    pub(crate) fn add(&mut self, key: TagKey, position: Position) {
        if let Some((last, span)) = self.entries.last_mut()
            && *last == key
            && span.last.next() == position
        {
            span.last = position;
            return;
        }
        self.entries.push((key, Span::of(position)));
    }

    /// Drops the keys of records after this position.
    pub(crate) fn truncate(&mut self, last: Position) {
        while let Some((_, span)) = self.entries.last_mut() {
            if span.first <= last {
                span.last = span.last.min(last);
                return;
            }
            self.entries.pop();
        }
    }

    /// Returns the entries with positions after one.
    pub(crate) fn after(&self, position: Position) -> impl Iterator<Item = (TagKey, Span)> {
        // Entries are in the order of their last positions.
        let start = self
            .entries
            .partition_point(|(_, span)| span.last <= position);
        let later = position.next()..=Position::MAX;
        let entries = self.entries[start..].iter();
        entries.filter_map(move |(key, span)| Some((*key, span.within(&later)?)))
    }

    pub(crate) fn entries(&self) -> &[(TagKey, Span)] {
        &self.entries
    }

    /// Returns the number of keys of all records together.
    pub(crate) fn count(&self) -> usize {
        let entries = self.entries.iter();
        entries.map(|(_, span)| span.count()).sum()
    }
}
