//! Counting the contents of a store.

use super::Progress;
use crate::databases::Databases;
use crate::environment::Environment;
use crate::error::backend_at;
use crate::index::KeyRanges;
use crate::reader::Batch;
use crate::record::{Header, Kind};
use crate::tags::TagManifest;
use crate::tail::Tail;
use heed::RoTxn;
use midgard::store::StoreError;
use midgard::{Position, Timestamp};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// About how many streams are counted in one snapshot.
const BATCH_STREAMS: usize = 65_536;

/// The contents of a store: [`LmdbStore::statistics`](crate::LmdbStore::statistics).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// The position up to which events were counted: the end of the log at the beginning.
    pub until: Position,
    /// The number of events, without removed ones.
    pub events: u64,
    /// The bytes of their payloads.
    pub payload_bytes: u64,
    /// The bytes of the records in the log: of events with their payloads, and of the marks of streams that were
    /// truncated or tombstoned.
    pub record_bytes: u64,
    /// The number of records that could not be read. [`verify`](crate::LmdbStore::verify) lists them.
    pub damaged: u64,
    /// The number of streams that have, or once had, events.
    pub streams: u64,
    /// The number of tombstoned streams.
    pub tombstoned: u64,
    /// When the first and the last of the events were recorded.
    pub times: Option<(Timestamp, Timestamp)>,
    /// The events of each name.
    pub names: BTreeMap<String, EventStatistics>,
    /// The index of streams.
    pub index: IndexStatistics,
    /// The index of tags and names.
    pub tags: TagStatistics,
    /// The file.
    pub file: FileStatistics,
    /// Whether the count is complete; `false` if `progress` ended it early.
    pub is_complete: bool,
}

/// The events of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventStatistics {
    /// The number of events.
    pub events: u64,
    /// The bytes of their payloads.
    pub payload_bytes: u64,
    /// The number of events of each schema version.
    pub schema_versions: BTreeMap<u32, u64>,
}

/// The index of streams, which is derived from the log step by step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexStatistics {
    /// The number of entries in all its runs. A stream has at most one in each.
    pub entries: u64,
    /// The number of those that have the version of the stream: an append to it does not read its last event. Entries
    /// of older releases have none, nor have those of streams that were truncated or tombstoned.
    pub versions: u64,
    /// The number of its sorted runs.
    pub runs: u64,
    /// The number of positions at the end of the log that are not in it yet.
    pub behind: u64,
}

/// The index of tags and names, which is derived from the log step by step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagStatistics {
    /// The number of its entries: one for each event, and one for each tag of an event.
    pub entries: u64,
    /// The bytes of the blocks that have them.
    pub bytes: u64,
    /// The number of its sorted runs.
    pub runs: u64,
    /// The number of positions at the end of the log that are not in it yet.
    pub behind: u64,
}

/// The file `data.mdb`, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileStatistics {
    /// Its length, including space written ahead of its end.
    pub length: u64,
    /// How much of it is in use. This is the size of a [backup](crate::LmdbStore::backup).
    pub used: u64,
    /// How much of it holds current data: about the size of a [compacting](crate::Backup::compacting) backup. The
    /// rest will be reused.
    pub live: u64,
}

impl TagStatistics {
    fn of(manifest: &TagManifest, last: Position) -> Self {
        let (entries, bytes) = manifest.size();
        TagStatistics {
            entries,
            bytes,
            runs: manifest.runs().len() as u64,
            behind: last.get().saturating_sub(manifest.merged.get()),
        }
    }
}

pub(super) fn statistics(
    environment: &Environment,
    mut progress: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<Statistics, StoreError> {
    let mut counting = Counting::new(environment)?;
    counting.size_of_file()?;
    let mut stage = Stage::Log;
    while stage != Stage::Done {
        stage = environment.read(|databases, snapshot| match stage {
            Stage::Log => counting.records(databases, snapshot),
            Stage::Format1 => counting.streams_of_format_1(databases, snapshot),
            Stage::Index | Stage::Done => counting.streams(databases, snapshot),
        })?;
        if progress(counting.progress()).is_break() && stage != Stage::Done {
            return Ok(counting.statistics);
        }
    }
    counting.statistics.is_complete = true;
    Ok(counting.statistics)
}

/// What to count next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Log,
    Format1,
    Index,
    Done,
}

struct Counting<'e> {
    environment: &'e Environment,
    statistics: Statistics,
    /// The next position.
    next: Position,
    /// The streams that the index does not have yet, in the snapshot of the count.
    tail: Tail,
    /// The last stream of format 1 that was counted; empty before the first.
    format_1: String,
    ranges: KeyRanges,
}

impl<'e> Counting<'e> {
    fn new(environment: &'e Environment) -> Result<Self, StoreError> {
        environment.read(|databases, snapshot| {
            let last = databases.log.last_position(snapshot)?;
            let manifest = databases.about.manifest(snapshot)?;
            // If that is damaged, the log is scanned, and the index made again.
            let tags = databases.about.tag_manifest(snapshot);
            Ok(Counting {
                environment,
                statistics: Statistics {
                    until: last,
                    index: IndexStatistics {
                        entries: 0,
                        versions: 0,
                        runs: manifest.run_count(),
                        behind: last.get().saturating_sub(manifest.merged.get()),
                    },
                    tags: TagStatistics::of(&tags.unwrap_or(TagManifest::NONE), last),
                    ..Statistics::default()
                },
                next: Position::FIRST,
                tail: Tail::new(),
                format_1: String::new(),
                ranges: KeyRanges::of(&manifest),
            })
        })
    }

    fn progress(&self) -> Progress {
        let ranges = u64::from(self.ranges.count());
        Progress {
            done: (self.next.get() - 1).saturating_add(u64::from(self.ranges.done())),
            expected: self.statistics.until.get().saturating_add(ranges),
        }
    }

    fn size_of_file(&mut self) -> Result<(), StoreError> {
        let usage = self.environment.usage()?;
        let guard = self.environment.access()?;
        let file = guard.get()?.env.real_disk_size();
        let length = file.map_err(backend_at("look at its files", self.environment.path()))?;
        self.statistics.file = FileStatistics {
            length,
            used: usage.used,
            live: usage.live,
        };
        Ok(())
    }

    fn records(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
    ) -> Result<Stage, StoreError> {
        let until = self.statistics.until;
        if self.next <= until {
            let mut batch = Batch::new();
            for found in databases.log.walk(snapshot, self.next..=until)? {
                let (position, record) = found?;
                self.next = position.next();
                match record {
                    Ok(record) => {
                        batch.add(record.len());
                        self.record(position, &record);
                    }
                    Err(_) => self.statistics.damaged += 1,
                }
                if batch.is_full() {
                    return Ok(Stage::Log);
                }
            }
        }
        self.next = until.next();
        Ok(Stage::Format1)
    }

    fn record(&mut self, position: Position, record: &[u8]) {
        let statistics = &mut self.statistics;
        let header = Header::parse(position, record);
        let header = header
            .ok()
            .and_then(|header| Some((header, str::from_utf8(header.name).ok()?)));
        let Some((header, name)) = header else {
            statistics.damaged += 1;
            return;
        };
        statistics.record_bytes += record.len() as u64;
        match header.kind {
            Kind::Truncated => return,
            Kind::Tombstoned => {
                statistics.tombstoned += 1;
                return;
            }
            Kind::Event => {}
        }
        let bytes = header.payload.len() as u64;
        statistics.events += 1;
        statistics.payload_bytes += bytes;
        let (_, last) = statistics.times.get_or_insert((header.time, header.time));
        *last = header.time;
        let events = match statistics.names.get_mut(name) {
            Some(events) => events,
            None => statistics.names.entry(name.to_owned()).or_default(),
        };
        events.events += 1;
        events.payload_bytes += bytes;
        *events
            .schema_versions
            .entry(header.schema_version)
            .or_default() += 1;
    }

    /// Counts streams of format 1 that have no newer record.
    fn streams_of_format_1(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
    ) -> Result<Stage, StoreError> {
        let Some(format_1) = &databases.format_1 else {
            return Ok(Stage::Index);
        };
        let manifest = databases.about.manifest(snapshot)?;
        self.catch_up(databases, snapshot)?;
        let mut batch = Batch::new();
        for name in format_1.names(snapshot, &self.format_1.clone())? {
            let name = name?;
            let key = databases.keys.of(name.as_bytes());
            if self.tail.look_up(key).position.is_none()
                && databases.index.find(snapshot, &manifest, key)?.is_none()
            {
                self.statistics.streams += 1;
            }
            batch.add(name.len());
            if batch.is_full() {
                self.format_1 = name.to_owned();
                return Ok(Stage::Format1);
            }
        }
        Ok(Stage::Index)
    }

    /// Counts streams in the index, or in the tail behind it.
    fn streams(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
    ) -> Result<Stage, StoreError> {
        let manifest = databases.about.manifest(snapshot)?;
        self.catch_up(databases, snapshot)?;
        let tail = self.tail.streams();
        let mut counted = 0;
        let (mut entries, mut keys) = (Vec::new(), Vec::new());
        while self.ranges.done() < self.ranges.count() {
            if counted >= BATCH_STREAMS {
                return Ok(Stage::Index);
            }
            entries.clear();
            databases
                .index
                .collect(snapshot, &manifest, &self.ranges, &mut entries)?;
            let with_version = entries
                .iter()
                .filter(|entry| entry.record.version.is_some());
            self.statistics.index.versions += with_version.count() as u64;
            self.statistics.index.entries += entries.len() as u64;
            keys.clear();
            keys.extend(entries.iter().map(|entry| entry.key));
            keys.extend_from_slice(self.ranges.next_of(&tail));
            // A few sorted sequences, which this sort merges.
            keys.sort();
            keys.dedup();
            counted += keys.len();
            self.statistics.streams += keys.len() as u64;
            self.ranges.advance();
        }
        Ok(Stage::Done)
    }

    fn catch_up(&self, databases: &Databases, snapshot: &RoTxn<'_>) -> Result<(), StoreError> {
        let last = databases.log.last_position(snapshot)?;
        self.tail.catch_up(last, databases, snapshot)
    }
}
