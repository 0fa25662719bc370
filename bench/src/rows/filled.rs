//! A store and two raw environments, each filled with the first event of 100,000 streams.

use super::queued::Queued;
use crate::raw::{Entry, Raw};
use crate::recorded::Recorded;
use crate::workload::{STREAMS, Workload};
use crate::{Bench, Outcome};
use midgard::store::{Append, ExpectedVersion};
use midgard::{Store, StreamName, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::path::Path;
use tempfile::TempDir;

/// How many events are filled in at once.
const AT_ONCE: usize = 1000;

/// A store that has one event in each stream, and that nobody has open.
pub(super) fn store(bench: &Bench) -> Outcome<(TempDir, Workload)> {
    let directory = bench.directory()?;
    let store = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())?;
    let mut workload = Workload::new();
    for first in (0..STREAMS).step_by(AT_ONCE) {
        let append = batch(&mut workload, first..first + AT_ONCE)?;
        block_on(store.append(append))?;
    }
    Ok((directory, workload))
}

/// Returns one append with the next event of each of these streams.
pub(super) fn batch(
    workload: &mut Workload,
    streams: impl Iterator<Item = usize>,
) -> Outcome<Append> {
    streams
        .into_iter()
        .try_fold(Append::default(), |append, stream| {
            let expected: ExpectedVersion = Version(workload.version(stream)).into();
            workload.advance(stream);
            let name = StreamName::new(workload.name(stream))?;
            Ok(append.and(name, expected, [workload.event()]))
        })
}

/// A raw environment that is filled as the store is, and continues with records of the same size.
pub(super) struct RawFilled<'r> {
    raw: Raw,
    recorded: &'r Recorded,
    workload: Workload,
    indexed: bool,
    written: usize,
    _directory: TempDir,
}

impl<'r> RawFilled<'r> {
    pub(super) fn new(bench: &Bench, recorded: &'r Recorded, indexed: bool) -> Outcome<Self> {
        let directory = bench.directory()?;
        let mut filled = RawFilled {
            raw: Raw::open(directory.path())?,
            recorded,
            workload: Workload::new(),
            indexed,
            written: 0,
            _directory: directory,
        };
        for first in (0..STREAMS).step_by(10 * AT_ONCE) {
            filled.write(first..first + 10 * AT_ONCE)?;
        }
        Ok(filled)
    }

    /// Commits the next event of this many random streams.
    pub(super) fn commit(&mut self, events: usize) -> Outcome<usize> {
        let streams = self.workload.streams(events);
        self.write(streams)
    }

    fn write(&mut self, streams: impl Iterator<Item = usize>) -> Outcome<usize> {
        let (workload, recorded, written) = (&mut self.workload, self.recorded, &mut self.written);
        let events: Vec<_> = streams
            .map(|stream| (stream, workload.advance(stream)))
            .collect();
        let entries = events.iter().map(|&(stream, version)| {
            *written += 1;
            Entry {
                record: recorded.record(*written),
                stream: workload.name(stream),
                number: stream as u64 + 1,
                version,
            }
        });
        if self.indexed {
            self.raw.commit_all(entries)
        } else {
            self.raw.commit_log(entries)
        }
    }
}

/// A log behind a queue that is filled as the store is, for this many producers.
pub(super) fn queued(
    bench: &Bench,
    recorded: &Recorded,
    producers: usize,
) -> Outcome<(TempDir, Queued)> {
    let directory = bench.directory()?;
    let mut raw = Raw::open(directory.path())?;
    for entries in recorded.in_commits(10 * AT_ONCE) {
        raw.commit_log(entries)?;
    }
    let queued = Queued::new(raw, recorded.beside_payload(), producers);
    Ok((directory, queued))
}

/// Returns the number of commits that `work` makes on a store that nobody has open.
pub(super) fn counting_commits(
    directory: &Path,
    work: impl FnOnce(&LmdbStore) -> Outcome<()>,
) -> Outcome<usize> {
    let before = Raw::commits_of(directory)?;
    let store = LmdbStore::open(directory)?;
    work(&store)?;
    drop(store);
    Ok(Raw::commits_of(directory)? - before)
}
