//! What the log has shown so far, and what must be true of all later answers.

use crate::common::journal::JournalReader;
use crate::common::stream;
use crate::journal::Line;
use midgard::event::RecordedEventRef;
use midgard::store::{ReadLog, ReadStream};
use midgard::{EventId, Position, Store, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    version: Version,
    position: Position,
    id: EventId,
}

impl Entry {
    const fn of(event: &RecordedEventRef<'_>) -> Self {
        Entry {
            version: event.version,
            position: event.position,
            id: event.id,
        }
    }
}

/// The events of each stream, in the order of the log.
type Streams = HashMap<String, Vec<Entry>>;

pub(crate) struct Ledger {
    directory: PathBuf,
    store: Option<LmdbStore>,
    /// Of the processes that live, by their numbers.
    journals: BTreeMap<u64, JournalReader>,
    /// What was acknowledged, and not compared yet.
    pending: Vec<(String, Version, EventId)>,
    acknowledged: u64,
    /// Up to which versions events may be missing, and must be.
    truncating: HashMap<String, Version>,
    truncated: HashMap<String, Version>,
    tombstoned: HashSet<String>,
    /// Up to where the log was read.
    seen: Position,
    streams: Streams,
    checks: u64,
}

impl Ledger {
    pub(crate) fn new(directory: &Path) -> Self {
        fs::create_dir(directory.join("journals")).unwrap();
        Ledger {
            directory: directory.to_owned(),
            store: None,
            journals: BTreeMap::new(),
            pending: Vec::new(),
            acknowledged: 0,
            truncating: HashMap::new(),
            truncated: HashMap::new(),
            tombstoned: HashSet::new(),
            seen: Position::ZERO,
            streams: Streams::new(),
            checks: 0,
        }
    }

    pub(crate) const fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// A process with this number begins a journal.
    pub(crate) fn begin(&mut self, number: u64) {
        let path = self.directory.join("journals").join(number.to_string());
        self.journals.insert(number, JournalReader::of(path));
    }

    /// A process was killed, and writes no more to its journal.
    pub(crate) fn end(&mut self, number: u64) {
        self.read_journals();
        self.journals.remove(&number);
    }

    /// The store, open since it was last closed.
    fn store(&mut self) -> LmdbStore {
        let open = || LmdbStore::open(self.directory.join("store")).unwrap();
        self.store.get_or_insert_with(open).clone()
    }

    pub(crate) fn close(&mut self) {
        self.store = None;
    }

    /// Compares what was appended since the last time, while others may append.
    pub(crate) fn check_new(&mut self, cycle: u64) {
        self.read_journals();
        let acknowledged = std::mem::take(&mut self.pending);
        let truncated = std::mem::take(&mut self.truncated);
        let tombstoned = std::mem::take(&mut self.tombstoned);
        let store = self.store();
        let mut new = Streams::new();
        self.seen = read_log(&store, self.seen, &mut new, cycle);
        let firsts: Vec<_> = new
            .iter()
            .map(|(name, entries)| (name.clone(), entries[0].version))
            .collect();
        for (name, entries) in new {
            self.streams.entry(name).or_default().extend(entries);
        }
        for (name, first) in firsts {
            self.check_stream(&store, &name, first, cycle);
        }
        // Some may have been removed since.
        self.read_journals();
        for (name, version, id) in &acknowledged {
            let entries = self.streams.get(name).map_or(&[][..], Vec::as_slice);
            let found = entries.binary_search_by_key(version, |entry| entry.version);
            let found = found.ok().map(|index| entries[index].id);
            assert!(
                found == Some(*id) || found.is_none() && self.may_be_gone(name, *version),
                "cycle {cycle}: version {version} of {name} was acknowledged as {id}, and {found:?} is there"
            );
        }
        for (name, before) in truncated {
            let state = block_on(store.stream_state(&stream(&name))).unwrap();
            assert!(
                state.first >= before,
                "cycle {cycle}: {name} was truncated before {before}, and is {state:?}"
            );
        }
        for name in tombstoned {
            let state = block_on(store.stream_state(&stream(&name))).unwrap();
            assert!(
                state.tombstoned,
                "cycle {cycle}: {name} was ended, and is {state:?}"
            );
        }
        self.acknowledged += acknowledged.len() as u64;
        self.checks += 1;
    }

    /// Compares everything that there is, while others may append.
    pub(crate) fn check_all(&mut self, cycle: u64) {
        let store = self.store();
        let mut all = Streams::new();
        read_log(&store, Position::ZERO, &mut all, cycle);
        self.read_journals();
        for (name, entries) in &self.streams {
            let again = all.get(name).map_or(&[][..], Vec::as_slice);
            let mut again = again.iter().peekable();
            for entry in entries {
                if again.next_if_eq(&entry).is_none() {
                    assert!(
                        self.may_be_gone(name, entry.version),
                        "cycle {cycle}: {name} had {entry:?} when the log was read before"
                    );
                }
            }
            let newer = again.next();
            assert!(
                newer.is_none_or(|entry| entry.position > self.seen),
                "cycle {cycle}: {name} has {newer:?}, which was not there when the log was read past it"
            );
        }
        let names: BTreeSet<_> = self.streams.keys().cloned().collect();
        for name in names {
            self.check_stream(&store, &name, Version::FIRST, cycle);
        }
    }

    /// Compares a stream from a version on with what the log has shown, forward and backward.
    fn check_stream(&mut self, store: &LmdbStore, name: &str, first: Version, cycle: u64) {
        let seen = self.seen;
        let read = ReadStream::forward(stream(name)).from(first);
        let mut forward = Vec::new();
        block_on(store.read_stream(&read, &mut |event| {
            if event.position <= seen {
                forward.push(Entry::of(&event));
            }
            ControlFlow::Continue(())
        }))
        .unwrap();
        let mut backward = Vec::new();
        let read = ReadStream::backward(stream(name));
        block_on(store.read_stream(&read, &mut |event| {
            if event.version < first {
                return ControlFlow::Break(());
            }
            if event.position <= seen {
                backward.push(Entry::of(&event));
            }
            ControlFlow::Continue(())
        }))
        .unwrap();
        backward.reverse();
        if self.is_known(name, first, &forward) && self.is_known(name, first, &backward) {
            return;
        }
        // Events may have been removed between the reads.
        self.read_journals();
        assert!(
            self.is_known(name, first, &forward) && self.is_known(name, first, &backward),
            "cycle {cycle}: {name} from version {first}:\nforward {forward:?}\nbackward {backward:?}\nin the log {:?}",
            self.streams[name]
        );
    }

    /// Whether a read from a version on gave what the log has shown, and versions without a gap.
    fn is_known(&self, name: &str, first: Version, read: &[Entry]) -> bool {
        let known = &self.streams[name];
        let known = &known[known.partition_point(|entry| entry.version < first)..];
        let missing = known.len().saturating_sub(read.len());
        let mut gone = known[..missing].iter().map(|entry| entry.version);
        let follows = |pair: &[Entry]| pair[1].version == pair[0].version.next();
        read == &known[missing..]
            && gone.all(|version| self.may_be_gone(name, version))
            && read.windows(2).all(follows)
    }

    fn may_be_gone(&self, name: &str, version: Version) -> bool {
        let before = self.truncating.get(name);
        before.is_some_and(|before| version < *before)
    }

    /// Takes in what the journals say since the last time.
    fn read_journals(&mut self) {
        for journal in self.journals.values_mut() {
            for line in journal.read().iter().map(|line| Line::read(line)) {
                let latest = |of: &mut HashMap<String, Version>, name: String, before: Version| {
                    let latest = of.entry(name).or_default();
                    *latest = before.max(*latest);
                };
                match line {
                    Line::Appended {
                        stream,
                        version,
                        id,
                    } => self.pending.push((stream, version, id)),
                    Line::Truncating { stream, before } => {
                        latest(&mut self.truncating, stream, before);
                    }
                    Line::Truncated { stream, before } => {
                        latest(&mut self.truncated, stream, before);
                    }
                    Line::Tombstoned { stream } => drop(self.tombstoned.insert(stream)),
                }
            }
        }
    }
}

/// Reads the log after a position, and checks that no append in it is torn.
fn read_log(store: &LmdbStore, after: Position, into: &mut Streams, cycle: u64) -> Position {
    let mut last = after;
    // The append that is being read, and how many of its events are still to come.
    let mut append = (String::new(), 0);
    let read = ReadLog::forward().after(after);
    let reached = block_on(store.read_log(&read, &mut |event| {
        assert!(
            event.position > last,
            "cycle {cycle}: position {last} is followed by {event:?}"
        );
        last = event.position;
        let payload = std::str::from_utf8(event.payload).unwrap();
        let (batch, of) = payload.split_once('/').unwrap();
        if append.1 == 0 {
            append = (batch.to_owned(), of.parse().unwrap());
        }
        assert_eq!(
            batch, append.0,
            "cycle {cycle}: an append is torn at {event:?}"
        );
        append.1 -= 1;
        let entries = into.entry(event.stream.to_owned()).or_default();
        entries.push(Entry::of(&event));
        ControlFlow::Continue(())
    }))
    .unwrap();
    assert_eq!(append.1, 0, "cycle {cycle}: append {} is torn", append.0);
    reached
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events acknowledged, {} streams, position {}, {} checks",
            self.acknowledged,
            self.streams.len(),
            self.seen,
            self.checks
        )
    }
}
