//! The last events of the log by their ids, to recognise a retry that expects no exact version.

use crate::index::StreamKey;
use crate::log::{self, Record};
use crate::record::{Header, Kind};
use crate::streams::{Head, Stream};
use midgard::store::StoreError;
use midgard::store::rules::{Holder, RECENT_EVENTS};
use midgard::{EventId, Position, StreamName, Version};
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// The last [`RECENT_EVENTS`] events of the log. Read from the log at the first lookup, so that appends with an exact
/// version pay nothing for it.
#[derive(Default)]
pub(crate) struct RecentEvents {
    /// How far the log was read.
    seen: Position,
    held: HashMap<EventId, Holders>,
    /// The events in the order of the log.
    order: VecDeque<(Position, Key, Version)>,
    /// Records that cannot be read.
    damaged: BTreeSet<Position>,
}

/// An id, and its stream: an append with an exact version does not check whether another stream has the same id.
type Key = (EventId, StreamKey);

/// The streams that have an id: nearly always one.
struct Holders {
    one: Held,
    others: Vec<Held>,
}

impl Holders {
    fn all(&mut self) -> impl Iterator<Item = &mut Held> {
        std::iter::once(&mut self.one).chain(&mut self.others)
    }
}

/// The place of an id in a stream.
#[derive(Clone, Copy)]
struct Held {
    stream: StreamKey,
    first: Version,
    /// Of the first version.
    position: Position,
    /// The number of events with the id.
    times: usize,
}

impl RecentEvents {
    /// Forgets everything, when some of it may not have been committed.
    pub(crate) fn clear(&mut self) {
        *self = RecentEvents::default();
    }

    /// Returns the place of the event `id`, preferably in a given stream.
    pub(crate) fn holder(
        &mut self,
        stream: &Stream<'_, '_>,
        key: StreamKey,
        head: Head,
        id: EventId,
    ) -> Result<Option<Holder>, StoreError> {
        let caught_up = self.catch_up(stream);
        if caught_up.is_err() {
            // Only half of it was taken in.
            self.clear();
        }
        caught_up?;
        let Some(holders) = self.held.get_mut(&id) else {
            self.check_damaged(stream, head)?;
            return Ok(None);
        };
        if let Some(held) = holders.all().find(|held| held.stream == key) {
            return Ok(Some(Holder::Here(held.first)));
        }
        let Held {
            first, position, ..
        } = holders.one;
        self.check_damaged(stream, head)?;
        let record = stream.record(position)?;
        let name = log::event(&log::header(position, &record)?)?.stream;
        Ok(Some(Holder::Elsewhere(StreamName::new(name)?, first)))
    }

    /// A damaged record may have any id, but only in its own stream: following the stream's links shows whether it is
    /// this one.
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
        while let Some((position, ..)) = self.order.front()
            && *position < oldest
            && let Some((_, key, version)) = self.order.pop_front()
        {
            self.forget(key, version);
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
                Ok(mark) => {
                    if self.seen > Position::ZERO {
                        self.forget_removed(databases.keys.of(mark.stream), &mark);
                    }
                    continue;
                }
                // It may have been a mark: events that were taken in may have been removed.
                Err(_) if self.seen > Position::ZERO => {
                    self.clear();
                    return self.catch_up(stream);
                }
                Err(_) => {
                    self.damaged.insert(position);
                    continue;
                }
            };
            let key = (header.id, databases.keys.of(header.stream));
            self.order.push_back((position, key, header.version));
            self.hold(position, key, header.version);
        }
        if !databases.nothing_missing(transaction, expected, last.next())? {
            self.damaged.insert(expected);
        }
        self.seen = last;
        Ok(())
    }

    /// Forgets the events that were removed when a mark was made.
    fn forget_removed(&mut self, stream: StreamKey, mark: &Header<'_>) {
        let mut removed = Vec::new();
        self.order.retain(|(_, key, version)| {
            let is_removed =
                key.1 == stream && (mark.kind == Kind::Tombstoned || *version < mark.first);
            if is_removed {
                removed.push((*key, *version));
            }
            !is_removed
        });
        for (key, version) in removed {
            self.forget(key, version);
        }
    }

    /// Takes in an event at the end of the log.
    fn hold(&mut self, position: Position, (id, stream): Key, version: Version) {
        let held = Held {
            stream,
            first: version,
            position,
            times: 1,
        };
        match self.held.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(Holders {
                    one: held,
                    others: Vec::new(),
                });
            }
            Entry::Occupied(entry) => {
                let holders = entry.into_mut();
                if let Some(known) = holders.all().find(|known| known.stream == stream) {
                    known.times += 1;
                } else {
                    holders.others.push(held);
                }
            }
        }
    }

    /// Forgets an event that is no longer in the order.
    fn forget(&mut self, key: Key, version: Version) {
        let (id, stream) = key;
        let Some(holders) = self.held.get_mut(&id) else {
            return;
        };
        let Some(held) = holders.all().find(|held| held.stream == stream) else {
            return;
        };
        held.times -= 1;
        if held.times > 0 {
            let mut order = self.order.iter();
            if held.first == version
                && let Some((position, _, next)) = order.find(|(_, other, _)| *other == key)
            {
                (held.first, held.position) = (*next, *position);
            }
        } else if holders.one.stream != stream {
            holders.others.retain(|held| held.stream != stream);
        } else if let Some(other) = holders.others.pop() {
            holders.one = other;
        } else {
            self.held.remove(&id);
        }
    }
}
