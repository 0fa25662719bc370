//! The last events of the log by their ids, to recognise a retry that expects no exact version.

use crate::index::StreamKey;
use crate::log::Record;
use crate::record::{Header, Kind};
use crate::streams::{Head, Stream};
use midgard::store::rules::RECENT_EVENTS;
use midgard::{EventId, Position, StoreError, Version};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// The last [`RECENT_EVENTS`] events of the log. Filled from the log when it is first asked, so that
/// appends with an exact version pay nothing for it.
#[derive(Default)]
pub(crate) struct RecentEvents {
    /// Up to where the log was taken in.
    seen: Position,
    versions: HashMap<Key, Version>,
    /// The keys in the order of the log.
    order: VecDeque<(Position, Key)>,
    /// Records that cannot be read.
    damaged: BTreeSet<Position>,
}

/// An id, and its stream: another one may hold the same id.
type Key = (EventId, StreamKey);

impl RecentEvents {
    /// Forgets everything, when what was taken in may not have been committed.
    pub(crate) fn clear(&mut self) {
        *self = RecentEvents::default();
    }

    /// The first version of a stream that holds the event `id`.
    pub(crate) fn version(
        &mut self,
        stream: &Stream<'_, '_>,
        head: Head,
        id: EventId,
    ) -> Result<Option<Version>, StoreError> {
        self.catch_up(stream)?;
        let key = (id, stream.databases.keys.of(stream.name.as_bytes()));
        if let Some(version) = self.versions.get(&key) {
            return Ok(Some(*version));
        }
        self.check_damaged(stream, head)?;
        Ok(None)
    }

    /// A damaged record may hold any id, but only in its own stream: the way back tells whether that is this one.
    fn check_damaged(&self, stream: &Stream<'_, '_>, head: Head) -> Result<(), StoreError> {
        let Some(oldest) = self.damaged.first() else {
            return Ok(());
        };
        let Head { state, event } = head;
        let (mut version, mut position) = (state.last, event);
        while position >= *oldest {
            let record = stream.record(position)?;
            let header = stream.event_header(position, &record, version)?;
            if version <= state.first {
                break;
            }
            (version, position) = (version.previous(), stream.before(&header)?);
        }
        Ok(())
    }

    /// Takes in what was appended or removed since, by this or another process.
    fn catch_up(&mut self, stream: &Stream<'_, '_>) -> Result<(), StoreError> {
        let (databases, transaction) = (stream.databases, stream.transaction);
        let last = match stream.pending {
            Some(pending) => pending.last(),
            None => databases.log.last_position(transaction)?,
        };
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
        let first = self.seen.next().max(oldest);
        let pending = stream.pending.into_iter();
        let pending = pending.flat_map(|pending| pending.records_from(first));
        let pending =
            pending.map(|(position, record)| Ok((position, Ok(Record::Borrowed(record)))));
        let records = databases.log.walk(transaction, first..=last)?;
        let mut expected = first;
        for found in records.chain(pending) {
            let (position, record) = found?;
            if !databases.nothing_missing(transaction, expected, position)? {
                self.damaged.insert(expected);
            }
            expected = position.next();
            let bytes = record.as_deref().unwrap_or_default();
            let header = match Header::parse(position, bytes) {
                Ok(header) if header.kind == Kind::Event => header,
                // A mark, or what may have been one: something that was taken in may be removed.
                _ if self.seen > Position::ZERO => {
                    self.clear();
                    return self.catch_up(stream);
                }
                Ok(_) => continue,
                Err(_) => {
                    self.damaged.insert(position);
                    continue;
                }
            };
            let key = (header.id, databases.keys.of(header.stream));
            if let Entry::Vacant(vacant) = self.versions.entry(key) {
                vacant.insert(header.version);
                self.order.push_back((position, key));
            }
        }
        if !databases.nothing_missing(transaction, expected, last.next())? {
            self.damaged.insert(expected);
        }
        self.seen = last;
        Ok(())
    }
}
