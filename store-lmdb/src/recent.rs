//! The last events of the log by their ids, to recognise a retry that expects no exact version.

use crate::databases::{Databases, parse};
use crate::error::backend;
use crate::record::Kind;
use heed::RoTxn;
use midgard::store::rules::RECENT_EVENTS;
use midgard::{EventId, Position, StoreError, StreamName, Version};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

/// The last [`RECENT_EVENTS`] events of the log. Filled from the log when it is first asked, so that
/// appends with an exact version pay nothing for it.
#[derive(Default)]
pub(crate) struct RecentEvents {
    /// Up to where the log was taken in.
    seen: Position,
    versions: HashMap<Key, Version>,
    streams: RandomState,
    /// The keys in the order of the log.
    order: VecDeque<(Position, Key)>,
}

/// An id, and the hash of its stream's name: another stream may hold the same id. What is found by it is
/// compared with the stream itself before it counts.
type Key = (EventId, u64);

impl RecentEvents {
    /// Forgets everything, when what was taken in may not have been committed.
    pub(crate) fn clear(&mut self) {
        *self = RecentEvents::default();
    }

    /// The first version of a stream that holds the event `id`.
    pub(crate) fn version(
        &mut self,
        databases: &Databases,
        transaction: &RoTxn<'_>,
        stream: &StreamName,
        id: EventId,
    ) -> Result<Option<Version>, StoreError> {
        self.catch_up(databases, transaction)?;
        let key = (id, self.streams.hash_one(stream.as_str()));
        Ok(self.versions.get(&key).copied())
    }

    /// Takes in what was appended since, by this or another process.
    fn catch_up(
        &mut self,
        databases: &Databases,
        transaction: &RoTxn<'_>,
    ) -> Result<(), StoreError> {
        let last = databases.last_position(transaction)?;
        let oldest = Position(last.get().saturating_sub(RECENT_EVENTS as u64)).next();
        if self.seen == last {
            return Ok(());
        }
        while let Some((position, _)) = self.order.front()
            && *position < oldest
            && let Some((_, key)) = self.order.pop_front()
        {
            self.versions.remove(&key);
        }
        let range = self.seen.next().max(oldest).get()..=last.get();
        for entry in databases
            .log
            .range(transaction, &range)
            .map_err(backend("read the log"))?
        {
            let (position, bytes) = entry.map_err(backend("read the log"))?;
            let position = Position(position);
            let record = parse(position, bytes)?;
            if record.kind == Kind::Event {
                let key = (record.event.id, self.streams.hash_one(record.event.stream));
                if let Entry::Vacant(vacant) = self.versions.entry(key) {
                    vacant.insert(record.event.version);
                    self.order.push_back((position, key));
                }
            }
        }
        self.seen = last;
        Ok(())
    }
}
