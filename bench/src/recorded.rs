//! What a store wrote, byte for byte, to be written again without it.

use crate::raw::{Entry, Raw};
use crate::{Bench, Outcome};
use midgard::{ReadLog, Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

/// The events of a store in the order of its log.
pub(crate) struct Recorded {
    events: Vec<Event>,
    /// The names of streams by their numbers.
    streams: HashMap<u64, String>,
}

struct Event {
    record: Vec<u8>,
    number: u64,
    version: u64,
}

impl Recorded {
    /// Reads all of a store that nobody has open.
    pub(crate) fn by(bench: &Bench, store: &Path) -> Outcome<Self> {
        let copy = bench.directory()?;
        let raw = Raw::copy_of(store, copy.path())?;
        let transaction = raw.env.read_txn()?;
        let mut records = Vec::new();
        for entry in raw.log.iter(&transaction)? {
            records.push(entry?.1.to_vec());
        }
        drop(transaction);
        raw.close();

        let (mut events, mut numbers) = (Vec::new(), HashMap::new());
        let mut records = records.into_iter();
        let store = LmdbStore::open(store)?;
        block_on(store.read_log(&ReadLog::forward(), &mut |event| {
            let next = numbers.len() as u64 + 1;
            let number = *numbers.entry(event.stream.to_owned()).or_insert(next);
            let version = event.version.get();
            events.extend(records.next().map(|record| Event {
                record,
                number,
                version,
            }));
            ControlFlow::Continue(())
        }))?;
        let streams = numbers.into_iter().map(|(name, number)| (number, name));
        Ok(Recorded {
            events,
            streams: streams.collect(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// The records, again and again.
    pub(crate) fn record(&self, index: usize) -> &[u8] {
        &self.events[index % self.events.len()].record
    }

    /// What is to be written for each event, in commits of so many.
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
