//! The facts for the rules: the transaction, with the requests that are already in it.

use super::group_tags::GroupTags;
use super::heads::Heads;
use crate::databases::Databases;
use crate::environment::Open;
use crate::error::backend;
use crate::index::StreamKey;
use crate::log::{self, Pending};
use crate::recent::RecentEvents;
use crate::record::Kind;
use crate::streams::{Head, Stream};
use crate::tags::{Plan, TagTail};
use crate::tail::Tail;
use heed::{RoTxn, RwTxn};
use midgard::event::RecordedEventRef;
use midgard::store::rules::{Facts, Holder};
use midgard::store::{Query, StoreError, StreamState};
use midgard::{EventId, Position, StreamName, Version};

/// What is read while a group is filled.
pub(super) struct Tables<'e> {
    pub(super) open: &'e Open,
    pub(super) databases: &'e Databases,
    pub(super) tail: &'e Tail,
    pub(super) heads: &'e mut Heads,
    pub(super) recent: &'e mut RecentEvents,
    /// The streams whose states the rules have requested, in order, as they were then.
    pub(super) asked: &'e mut Vec<(StreamKey, Head)>,
    pub(super) tag_tail: &'e TagTail,
    pub(super) tags: &'e mut GroupTags,
}

impl Tables<'_> {
    /// Returns a stream's head and key.
    pub(super) fn head(
        &mut self,
        transaction: &RoTxn<'_>,
        name: &str,
    ) -> Result<(StreamKey, Head), StoreError> {
        let key = self.databases.keys.of(name.as_bytes());
        if let Some(head) = self.heads.get(key) {
            return Ok((key, head));
        }
        let stream = Stream::new(self.databases, transaction, name);
        let (known, filters) = (self.tail.look_up(key), self.heads.filters());
        let head = stream.head_filtered(key, known, filters)?;
        let head = head.unwrap_or(Head::NONE);
        self.heads.set(key, head);
        Ok((key, head))
    }
}

pub(super) struct GroupFacts<'b, 'e> {
    pub(super) tables: &'b mut Tables<'e>,
    pub(super) transaction: &'b RwTxn<'e>,
    pub(super) pending: &'b Pending,
}

impl Facts for GroupFacts<'_, '_> {
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError> {
        let known = self.tables.head(self.transaction, stream.as_str())?;
        self.tables.asked.push(known);
        Ok(known.1.state)
    }

    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        let (_, head) = self.tables.head(self.transaction, stream.as_str())?;
        let Head { state, event } = head;
        if state.tombstoned || version < state.first || version > state.last {
            return Ok(None);
        }
        let stream = Stream::new(self.tables.databases, self.transaction, stream.as_str())
            .with(self.pending);
        let position = stream.find(state.last, event, version)?;
        let record = stream.record(position)?;
        let header = stream.event_header(position, &record, version)?;
        Ok(Some((header.id, position)))
    }

    fn read_event(
        &mut self,
        stream: &StreamName,
        position: Position,
        visit: &mut dyn FnMut(RecordedEventRef<'_>),
    ) -> Result<(), StoreError> {
        let stream = Stream::new(self.tables.databases, self.transaction, stream.as_str())
            .with(self.pending);
        let record = stream.record(position)?;
        visit(log::event(&log::header(position, &record)?)?);
        Ok(())
    }

    fn holder(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError> {
        let (key, head) = self.tables.head(self.transaction, stream.as_str())?;
        let stream = Stream::new(self.tables.databases, self.transaction, stream.as_str())
            .with(self.pending);
        self.tables.recent.holder(&stream, key, head, id)
    }

    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        let Tables {
            open,
            databases,
            tag_tail,
            tags,
            ..
        } = &mut *self.tables;
        let plan = Plan::of(query, &databases.tag_keys);
        let with_tombstones = query.asks_for_tombstones();
        if !plan.is_scan() && tags.would_scan_much(tag_tail, after) {
            open.take_in_all_tags(tags.before(), tag_tail);
        }
        tags.first_match(
            (databases, tag_tail),
            (self.transaction, self.pending),
            (&plan, after),
            |position, record| {
                let header = log::header(position, record)?;
                Ok(match header.kind {
                    Kind::Event => query.matches(&log::event(&header)?),
                    Kind::Tombstoned => with_tombstones,
                    Kind::Truncated => false,
                })
            },
        )
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        let found = self.tables.databases.entries.get(self.transaction, key);
        Ok(found.map_err(backend("read entries"))? == value)
    }
}
