//! The last events of the log by their ids, to recognise a retry that expects no exact version.

use crate::databases::Databases;
use crate::error::{backend, corrupt};
use crate::record::{self, Kind};
use heed::RoTxn;
use midgard::store::rules::RECENT_EVENTS;
use midgard::{EventId, Position, StoreError, StreamName, Version};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// Records that cannot be read, and what is wrong with them.
    damaged: BTreeMap<Position, String>,
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
        if let Some(version) = self.versions.get(&key) {
            return Ok(Some(*version));
        }
        self.check_damaged(databases, transaction, stream.as_str())?;
        Ok(None)
    }

    /// A damaged record may hold any id, but only in its own stream: the index tells which that is.
    fn check_damaged(
        &self,
        databases: &Databases,
        transaction: &RoTxn<'_>,
        name: &str,
    ) -> Result<(), StoreError> {
        let Some((oldest, _)) = self.damaged.first_key_value() else {
            return Ok(());
        };
        let Some(stream) = databases.stream(transaction, name)? else {
            return Ok(());
        };
        let range = stream.key(stream.state.first)..=stream.key(stream.state.last);
        let failed = backend("read the index");
        for entry in databases
            .versions
            .rev_range(transaction, &range)
            .map_err(&failed)?
        {
            let position = Position(entry.map_err(&failed)?.1);
            if position < *oldest {
                break;
            }
            if let Some(reason) = self.damaged.get(&position) {
                return Err(corrupt(position, Some(name), reason.clone()));
            }
        }
        Ok(())
    }

    /// Takes in what was appended or removed since, by this or another process.
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
        self.damaged = self.damaged.split_off(&oldest);
        let range = self.seen.next().max(oldest).get()..=last.get();
        for entry in databases
            .log
            .range(transaction, &range)
            .map_err(backend("read the log"))?
        {
            let (position, bytes) = entry.map_err(backend("read the log"))?;
            let position = Position(position);
            let record = record::parse(position, bytes);
            let event = match &record {
                Ok(record) if record.kind == Kind::Event => &record.event,
                // A mark, or what may have been one: something that was taken in may be removed.
                _ if self.seen > Position::ZERO => {
                    self.clear();
                    return self.catch_up(databases, transaction);
                }
                Ok(_) => continue,
                Err(reason) => {
                    self.damaged.insert(position, reason.clone());
                    continue;
                }
            };
            let key = (event.id, self.streams.hash_one(event.stream));
            if let Entry::Vacant(vacant) = self.versions.entry(key) {
                vacant.insert(event.version);
                self.order.push_back((position, key));
            }
        }
        self.seen = last;
        Ok(())
    }
}
