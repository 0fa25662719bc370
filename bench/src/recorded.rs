//! The records of a store, to be written again without it.

use crate::Outcome;
use crate::raw::{Entry, Raw};
use midgard::store::ReadLog;
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

/// The events of a store in the order of its log.
pub(crate) struct Recorded {
    events: Vec<Event>,
    /// How many bytes each has in addition to its payload.
    beside: usize,
    /// The names of streams by their numbers.
    streams: HashMap<u64, String>,
}

/// Returns how many bytes a record of a store has in addition to its payload, on average.
pub(crate) fn beside_payload(store: &LmdbStore) -> Outcome<usize> {
    let statistics = store.statistics(|_| ControlFlow::Continue(()))?;
    let beside = statistics.record_bytes - statistics.payload_bytes;
    Ok(beside.div_ceil(statistics.events.max(1)) as usize)
}

struct Event {
    record: Vec<u8>,
    number: u64,
    version: u64,
}

/// Writes the records of a store raw, and returns where the payload begins in each.
pub(crate) fn written_raw(store: &LmdbStore, directory: &Path) -> Outcome<(Raw, usize)> {
    let beside = beside_payload(store)?;
    let (mut raw, mut records) = (Raw::open(directory)?, Vec::new());
    block_on(store.read_log(&ReadLog::forward(), &mut |event| {
        let mut record = vec![0; beside];
        record.extend_from_slice(event.payload);
        records.push(record);
        ControlFlow::Continue(())
    }))?;
    for records in records.chunks(1000) {
        raw.commit_log(records.iter().map(|record| Entry {
            record,
            stream: "",
            number: 0,
            version: 0,
        }))?;
    }
    Ok((raw, beside))
}

impl Recorded {
    /// Reads a whole store that nobody has open. Each record has the same payload, and in addition the store's
    /// average of other bytes: the store itself may keep several records in one value.
    pub(crate) fn by(store: &Path) -> Outcome<Self> {
        let store = LmdbStore::open(store)?;
        let beside = beside_payload(&store)?;
        let (mut events, mut numbers) = (Vec::new(), HashMap::new());
        block_on(store.read_log(&ReadLog::forward(), &mut |event| {
            let next = numbers.len() as u64 + 1;
            let number = *numbers.entry(event.stream.to_owned()).or_insert(next);
            let mut record = vec![0; beside];
            record.extend_from_slice(event.payload);
            events.push(Event {
                record,
                number,
                version: event.version.get(),
            });
            ControlFlow::Continue(())
        }))?;
        let streams = numbers.into_iter().map(|(name, number)| (number, name));
        Ok(Recorded {
            events,
            beside,
            streams: streams.collect(),
        })
    }

    /// How many bytes a record has in addition to its payload.
    pub(crate) const fn beside_payload(&self) -> usize {
        self.beside
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns a record; the index wraps around.
    pub(crate) fn record(&self, index: usize) -> &[u8] {
        &self.events[index % self.events.len()].record
    }

    /// Returns the data to write for each event, in commits of this many.
    pub(crate) fn in_commits(
        &self,
        of: usize,
    ) -> impl Iterator<Item = impl Iterator<Item = Entry<'_>>> {
        self.events.chunks(of.max(1)).map(|events| {
            events.iter().map(|event| Entry {
                record: &event.record,
                stream: self.streams.get(&event.number).map_or("", String::as_str),
                number: event.number,
                version: event.version,
            })
        })
    }
}
