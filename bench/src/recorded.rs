//! What a store wrote, byte for byte, to be written again without it.

use crate::Outcome;
use crate::raw::{Entry, Raw};
use std::collections::HashMap;
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
    pub(crate) fn by(store: &Path) -> Outcome<Self> {
        let raw = Raw::open(store)?;
        let transaction = raw.env.read_txn()?;
        let mut keys = HashMap::new();
        for entry in raw.versions.iter(&transaction)? {
            let (key, position) = entry?;
            keys.insert(position, ((key >> 64) as u64, key as u64));
        }
        let mut streams = HashMap::new();
        for entry in raw.streams.iter(&transaction)? {
            let (name, state) = entry?;
            let number = state.first_chunk().ok_or("a stream's state is cut off")?;
            streams.insert(u64::from_le_bytes(*number), name.to_owned());
        }
        let mut events = Vec::new();
        for entry in raw.log.iter(&transaction)? {
            let (position, record) = entry?;
            let (number, version) = *keys.get(&position).ok_or("an event is not indexed")?;
            events.push(Event {
                record: record.to_vec(),
                number,
                version,
            });
        }
        drop(transaction);
        raw.close();
        Ok(Recorded { events, streams })
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
