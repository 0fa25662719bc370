//! What the rules see: the transaction, with what is already in it.

use super::heads::Heads;
use crate::databases::Databases;
use crate::error::backend;
use crate::index::StreamKey;
use crate::log::{self, Pending, Record};
use crate::recent::RecentEvents;
use crate::record::Kind;
use crate::streams::{Head, Stream};
use crate::tail::Tail;
use heed::{RoTxn, RwTxn};
use midgard::event::RecordedEventRef;
use midgard::store::rules::{Holder, View};
use midgard::store::{Query, StoreError, StreamState};
use midgard::{EventId, Position, StreamName, Version};

/// What is read while a batch is filled.
pub(super) struct Tables<'e> {
    pub(super) databases: &'e Databases,
    pub(super) tail: &'e Tail,
    pub(super) heads: &'e mut Heads,
    pub(super) recent: &'e mut RecentEvents,
}

impl Tables<'_> {
    /// A stream, and what it is found by.
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
        let head = stream.head(key, self.tail.look_up(key))?;
        let head = head.unwrap_or(Head::NONE);
        self.heads.set(key, head);
        Ok((key, head))
    }
}

pub(super) struct BatchView<'b, 'e> {
    pub(super) tables: &'b mut Tables<'e>,
    pub(super) transaction: &'b RwTxn<'e>,
    pub(super) pending: &'b Pending,
}

impl BatchView<'_, '_> {
    fn head(&mut self, stream: &StreamName) -> Result<Head, StoreError> {
        let (_, head) = self.tables.head(self.transaction, stream.as_str())?;
        Ok(head)
    }
}

impl View for BatchView<'_, '_> {
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError> {
        Ok(self.head(stream)?.state)
    }

    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        let Head { state, event } = self.head(stream)?;
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

    fn recent(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError> {
        let head = self.head(stream)?;
        let stream = Stream::new(self.tables.databases, self.transaction, stream.as_str())
            .with(self.pending);
        self.tables.recent.holder(&stream, head, id)
    }

    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        let pending = self.pending.records_from(after.next());
        let pending = pending.map(|(position, record)| Ok((position, Record::Borrowed(record))));
        let later = after.next()..=Position::MAX;
        let records = self.tables.databases.forward(self.transaction, later)?;
        for record in records.chain(pending) {
            let (position, bytes) = record?;
            let header = log::header(position, &bytes)?;
            if header.kind == Kind::Event && query.matches(&log::event(&header)?) {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        let found = self.tables.databases.entries.get(self.transaction, key);
        Ok(found.map_err(backend("read entries"))? == value)
    }
}
