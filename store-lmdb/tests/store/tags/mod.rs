//! The index of tags and names: every query is answered as the log says, whatever was merged, removed, damaged, killed or
//! never indexed.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod damage;
mod decisions;
mod fixture;
mod histories;
mod kills;
mod old_stores;
mod polls;

use crate::common::{event, open_unsynced, read_log, stream};
use heed::types::{Bytes, Str};
use heed::{CommitOrAbort, Database, RwTxn};
use midgard::event::{NewEvent, RecordedEvent};
use midgard::store::{Append, Direction, ExpectedVersion, Query, QueryItem, ReadLog};
use midgard::{Position, Store, block_on};
use midgard_store_lmdb::{LmdbStore, open_raw};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::path::Path;

/// More than the newest records that are kept in memory alone.
const MANY: usize = 40_000;

/// A generator of numbers, each run of it the same.
struct Random(fastrand::Rng);

impl Random {
    fn new(seed: u64) -> Self {
        Random(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// An event of one of four names, one of which is rare, with up to three tags: of a few that are frequent, of many
    /// that are not, or of its own.
    fn event(&mut self) -> NewEvent {
        let mut one = event("{}");
        one.name = match self.below(100) {
            0 => "rare".into(),
            number => format!("name-{}", number % 3).into(),
        };
        for _ in 0..self.below(4) {
            one = match self.below(3) {
                0 => one.with_tag("kind", &self.below(4).to_string()),
                1 => one.with_tag("customer", &self.below(5_000).to_string()),
                _ => one.with_tag("once", &self.0.u64(..).to_string()),
            };
        }
        one
    }

    fn item(&mut self, known: &[String]) -> QueryItem {
        let mut item = QueryItem::new();
        for _ in 0..self.below(3) {
            item = item.name(["rare", "name-0", "name-1", "never"][self.below(4)]);
        }
        for _ in 0..self.below(3) {
            item = match self.below(4) {
                0 => item.tag(format!("kind:{}", self.below(5))),
                1 => item.tag(format!("customer:{}", self.below(5_000))),
                2 if !known.is_empty() => item.tag(known[self.below(known.len())].clone()),
                _ => item.tag("once:never"),
            };
        }
        if item.names().is_empty() && item.tags().is_empty() {
            item = item.name("rare");
        }
        item
    }

    fn query(&mut self, known: &[String]) -> Query {
        let items = 1 + self.below(3);
        (0..items).fold(Query::all(), |query, _| query.or(self.item(known)))
    }

    fn read(&mut self, known: &[String], end: u64) -> ReadLog {
        let read = match self.below(2) {
            0 => ReadLog::forward(),
            _ => ReadLog::backward(),
        };
        let from = match self.below(4) {
            0 if read.direction == Direction::Forward => 0,
            0 => u64::MAX,
            1 => end.saturating_sub(self.below(500) as u64),
            _ => self.below(end as usize + 5) as u64,
        };
        let limit = [1, 2, 100, u64::MAX][self.below(4)];
        let query = self.query(known);
        read.matching(query).from(Position(from)).limit(limit)
    }
}

/// Some tags of events.
fn some_tags(log: &[RecordedEvent]) -> Vec<String> {
    let some = log.iter().step_by(1 + log.len() / 300);
    some.flat_map(|event| {
        event
            .tags
            .view()
            .iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    })
    .collect()
}

/// The positions that a read gives.
fn positions(store: &LmdbStore, read: &ReadLog) -> Vec<Position> {
    let mut found = Vec::new();
    let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
        found.push(event.position);
        ControlFlow::Continue(())
    };
    block_on(store.read_log(read, visit)).unwrap();
    found
}

/// The positions that a read should give, of all events there are.
fn expected(log: &[RecordedEvent], read: &ReadLog) -> Vec<Position> {
    let is_wanted = |event: &&RecordedEvent| {
        let is_behind = match read.direction {
            Direction::Forward => event.position >= read.from,
            Direction::Backward => event.position <= read.from,
        };
        is_behind && read.query.matches(&event.view())
    };
    let limit = usize::try_from(read.limit).unwrap_or(usize::MAX);
    let wanted = log.iter().filter(is_wanted).map(|event| event.position);
    match read.direction {
        Direction::Forward => wanted.take(limit).collect(),
        Direction::Backward => wanted.rev().take(limit).collect(),
    }
}

/// Compares the answers of a store with its log.
fn check(store: &LmdbStore, random: &mut Random, queries: usize) {
    let log = read_log(store).unwrap();
    let (known, end) = (
        some_tags(&log),
        log.last().map_or(0, |event| event.position.get()),
    );
    for _ in 0..queries {
        let read = random.read(&known, end);
        assert_eq!(positions(store, &read), expected(&log, &read), "{read:?}");
    }
}

/// Appends so many events to a few streams, in batches.
fn fill(store: &LmdbStore, random: &mut Random, events: usize) {
    const BATCH: usize = 2_000;
    let mut left = events;
    while left > 0 {
        let count = left.min(BATCH);
        let name = stream(&format!("stream-{}", random.below(40)));
        let batch: Vec<_> = (0..count).map(|_| random.event()).collect();
        block_on(store.append(Append::to(name, ExpectedVersion::Any, batch))).unwrap();
        left -= count;
    }
}

/// What is known of a store, by name; and the blocks of the runs.
type Databases = (
    Database<'static, Str, Bytes>,
    Database<'static, Bytes, Bytes>,
);

/// Changes the index of a store that nobody has open: its manifest and the blocks of its runs.
fn change_index(
    directory: &Path,
    change: impl FnOnce(&mut RwTxn<'_>, Database<'static, Str, Bytes>, Database<'static, Bytes, Bytes>),
) {
    let env = open_raw(directory).unwrap();
    {
        let transaction = env.write_txn().unwrap();
        let open = env.create_databases_and_commit(transaction, |opener, transaction| {
            let about = opener.open_database::<Str, Bytes>(transaction, Some("midgard"))?;
            let tags = opener.open_database::<Bytes, Bytes>(transaction, Some("tags"))?;
            let open = (about.unwrap(), tags.unwrap());
            Ok::<_, heed::Error>(CommitOrAbort::<_, Infallible>::Commit(open))
        });
        let CommitOrAbort::Commit((about, tags)): CommitOrAbort<Databases, _> = open.unwrap();
        let mut transaction = env.write_txn().unwrap();
        change(&mut transaction, about, tags);
        transaction.commit().unwrap();
    }
    env.prepare_for_closing().wait();
}

/// Makes a store as it would be without the index, as releases that have none wrote it.
fn forget_index(directory: &Path) {
    change_index(directory, |transaction, about, tags| {
        about.delete(transaction, "tags").unwrap();
        tags.clear(transaction).unwrap();
    });
}

/// Waits until the index has all but the newest records.
fn wait_for_index(store: &LmdbStore) {
    let end = std::time::Instant::now() + 3 * crate::common::process::LONG;
    loop {
        // What is known of the index is known at once.
        let statistics = store.statistics(|_| ControlFlow::Break(())).unwrap();
        if statistics.tags.behind <= 2 * 32_768 {
            return;
        }
        assert!(std::time::Instant::now() < end, "{:?}", statistics.tags);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn open(directory: &Path) -> LmdbStore {
    open_unsynced(directory)
}
