//! The tags and names of an environment.

use super::{Environment, Open};
use crate::databases::pages;
use crate::error::backend;
use crate::tags::{Plan, TagTail};
use heed::RwTxn;
use midgard::Position;
use midgard::store::{Query, StoreError};
use std::ops::RangeInclusive;

impl Environment {
    /// Returns the tags and names of the newest records.
    pub(crate) const fn tag_tail(&self) -> &TagTail {
        &self.tag_tail
    }

    /// Returns the keys that a query asks for.
    pub(crate) fn plan(&self, query: &Query) -> Plan {
        Plan::of(query, &self.tag_keys)
    }

    /// Takes in the tags and names of some of the newest records. Returns the positions that are to be taken in
    /// after them; `None` where that fails, and the records are scanned.
    pub(crate) fn catch_up_tags(&self) -> Option<RangeInclusive<Position>> {
        tell(self.read(|databases, snapshot| {
            let last = databases.log.last_position(snapshot)?;
            let seen = self.tag_tail.catch_up(last, databases, snapshot, 0)?;
            Ok(seen.next()..=last)
        }))
    }

    /// Returns about how many bytes the records have that the tail of tags lacks, if all records are equally long; the
    /// largest number when that cannot be told.
    pub(crate) fn bytes_behind_tag_tail(&self) -> u64 {
        let lack = self.tag_tail.lack();
        let bytes = self.read(|databases, snapshot| {
            let last = databases.log.last_position(snapshot)?.get().max(1);
            let stat = databases.log.0.stat(snapshot);
            let stat = stat.map_err(backend("look at its pages"))?;
            let bytes = pages(&stat).saturating_mul(u64::from(stat.page_size));
            Ok((bytes / last + 1).saturating_mul(lack))
        });
        match lack {
            0 => 0,
            _ => bytes.unwrap_or(u64::MAX),
        }
    }
}

impl Open {
    /// As [`Environment::catch_up_tags`], before a write that has changed nothing yet.
    pub(crate) fn catch_up_tags(&self, write: &RwTxn<'_>, tail: &TagTail) {
        let Ok(last) = self.databases.log.last_position(write) else {
            return;
        };
        tail.forget_beyond(last);
        self.take_in_tags(last, tail, tail.pace(last));
    }

    /// Takes in the tags and names of all records up to the last one that was committed.
    pub(crate) fn take_in_all_tags(&self, last: Position, tail: &TagTail) {
        while let Some(seen) = self.take_in_tags(last, tail, u64::MAX)
            && seen < last
        {}
    }

    /// Reads in a transaction of its own, as LMDB reads no more in one that has met a damaged page. Returns how far the
    /// tail goes then; `None` where it did not go further.
    fn take_in_tags(&self, last: Position, tail: &TagTail, least: u64) -> Option<Position> {
        if !tail.is_behind(last) {
            return None;
        }
        let snapshot = self.env.read_txn().ok()?;
        tell(tail.catch_up(last, &self.databases, &snapshot, least))
    }
}

fn tell<T>(caught_up: Result<T, StoreError>) -> Option<T> {
    let failed = |error: &_| tracing::debug!(%error, "the tags of some of the newest records cannot be read");
    caught_up.inspect_err(failed).ok()
}

#[cfg(test)]
mod tests {
    use crate::LmdbStore;
    use crate::options::{Durability, LmdbOptions};
    use crate::tags::{STEP, TagTail};
    use crate::tail::MERGED_AT;
    use midgard::event::NewEvent;
    use midgard::store::{Append, AppendCondition, ExpectedVersion, Query, QueryItem, ReadLog};
    use midgard::{Place, Position, Store, StreamName, block_on};
    use std::ops::ControlFlow;
    use std::path::Path;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};
    use std::time::{Duration, Instant};

    const EVENTS: u64 = 12_000;

    fn append(payload: usize, events: u64) -> Append {
        let event = |_| NewEvent::json("thing.happened", 1, vec![b'1'; payload]);
        let name = StreamName::new("stream").unwrap();
        let events: Vec<_> = (0..events).map(event).collect();
        Append::to(name, ExpectedVersion::Any, events)
    }

    fn open(directory: &Path) -> LmdbStore {
        let options = LmdbOptions::default().durability(Durability::NoSync);
        LmdbStore::open_with(directory, options).unwrap()
    }

    /// Opens a store that has events of this size, none of which is in the tail.
    fn with_events(directory: &Path, payload: usize, events: u64) -> LmdbStore {
        let store = open(directory);
        for _ in 0..2 {
            block_on(store.append(append(payload, events / 2))).unwrap();
        }
        drop(store);
        let store = open(directory);
        assert_eq!(seen(&store), Position::ZERO);
        store
    }

    fn seen(store: &LmdbStore) -> Position {
        store.0.environment.tag_tail().seen()
    }

    fn read(store: &LmdbStore, item: QueryItem) {
        let read = ReadLog::forward().matching(item);
        block_on(store.read_log(&read, &mut |_| ControlFlow::Continue(()))).unwrap();
    }

    #[test]
    fn a_read_by_names_takes_in_a_step_and_one_by_tag_everything() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 10, EVENTS);
        read(&store, QueryItem::new().name("thing.happened"));
        assert_eq!(seen(&store), Position(STEP));
        read(&store, QueryItem::new().name("thing.happened").tag("a:1"));
        // The rest is scanned.
        assert!(EVENTS - seen(&store).get() <= STEP);
    }

    #[test]
    fn a_read_of_the_newest_records_takes_in_a_step() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 10, EVENTS);
        let newest = ReadLog::forward().from(Position(EVENTS - 10));
        let newest = newest.matching(QueryItem::new().tag("a:1"));
        block_on(store.read_log(&newest, &mut |_| ControlFlow::Continue(()))).unwrap();
        assert_eq!(seen(&store), Position(STEP));
    }

    #[test]
    fn few_large_records_are_taken_in_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 600 << 10, 10);
        for seen in [2, 4, 6, 8, 10] {
            let left = store.0.environment.catch_up_tags().unwrap();
            assert_eq!(left, Position(seen + 1)..=Position(10));
        }
    }

    #[test]
    fn a_commit_takes_in_a_step_and_a_condition_on_everything_everything() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 10, EVENTS);
        let unless = |after, item: QueryItem| {
            let query = Query::from(item);
            let after = Place::main(Position(after));
            append(10, 1).unless(AppendCondition { query, after })
        };
        // One at the start of the writer, and one at its first commit.
        block_on(store.append(append(10, 1))).unwrap();
        assert_eq!(seen(&store), Position(2 * STEP));
        let item = || QueryItem::new().tag("a:1");
        block_on(store.append(unless(EVENTS, item()))).unwrap();
        assert!(seen(&store) <= Position(3 * STEP + 2));
        block_on(store.append(unless(0, item()))).unwrap();
        assert_eq!(seen(&store), Position(EVENTS + 3));
    }

    #[test]
    fn closing_reads_nothing_for_a_run_that_it_could_not_complete() {
        let directory = tempfile::tempdir().unwrap();
        // Not enough for a run, and then, in the next process, just enough, and too much for the last steps.
        let filled = open(directory.path());
        for _ in 0..12 {
            block_on(filled.append(append(6 << 10, 2_725))).unwrap();
        }
        drop(filled);
        let store = open(directory.path());
        block_on(store.append(append(10, 100))).unwrap();
        let environment = Arc::clone(&store.0.environment);
        drop(store);
        let seen = environment.tag_tail().seen();
        assert!(seen.get() * 4 < MERGED_AT, "{seen} of {MERGED_AT}");
    }

    #[test]
    fn writers_that_live_shortly_leave_no_run_to_each_other() {
        let directory = tempfile::tempdir().unwrap();
        for _ in 0..100 {
            block_on(open(directory.path()).append(append(10, 1_000))).unwrap();
        }
        let store = open(directory.path());
        let merged = store
            .0
            .environment
            .read(|databases, snapshot| Ok(databases.about.tag_manifest(snapshot)?.merged));
        assert!(100_000 - merged.unwrap().get() < MERGED_AT);
    }

    #[test]
    fn a_read_by_tag_takes_in_large_records_until_one_step_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 600 << 10, 20);
        read(&store, QueryItem::new().tag("a:1"));
        assert_eq!(seen(&store), Position(18));
    }

    /// Appends with so many conditions at once that there is nothing after a position.
    fn append_with_conditions(store: &LmdbStore, count: usize, after: u64) {
        let mut context = Context::from_waker(Waker::noop());
        let appends = (0..count).map(|_| {
            let query = Query::from(QueryItem::new().tag("a:1"));
            let after = Place::main(Position(after));
            let append = append(10, 1).unless(AppendCondition { query, after });
            Box::pin(store.append(append))
        });
        let mut appends: Vec<_> = appends.collect();
        appends.retain_mut(|append| match append.as_mut().poll(&mut context) {
            Poll::Ready(appended) => appended.is_err(),
            Poll::Pending => true,
        });
        for append in appends {
            block_on(append).unwrap();
        }
    }

    #[test]
    fn conditions_that_scan_much_together_take_in_everything() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 10, EVENTS);
        append_with_conditions(&store, 50, EVENTS - 100);
        assert_eq!(seen(&store), Position(EVENTS + 50));
    }

    #[test]
    fn conditions_that_scan_large_records_take_in_everything() {
        let directory = tempfile::tempdir().unwrap();
        let store = with_events(directory.path(), 600 << 10, 40);
        append_with_conditions(&store, 10, 20);
        assert_eq!(seen(&store), Position(50));
    }

    #[test]
    fn idle_time_completes_the_tail_and_merges_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let tail = store.0.environment.tag_tail();
        for number in 0..4 {
            if number == 2 {
                // As if another process had appended them.
                tail.forget_beyond(Position::ZERO);
            }
            block_on(store.append(append(10, 10_000))).unwrap();
        }
        let started = Instant::now();
        while tail.merged() < Position(40_000) {
            assert!(started.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns how many records a commit takes in that follows on the appends of another process.
    fn taken_in_by_a_commit(directory: &Path, last: u64) -> u64 {
        let store = open(directory);
        let guard = store.0.environment.access().unwrap();
        let (open, tail) = (guard.get().unwrap(), TagTail::new());
        assert_eq!(tail.pace(Position::FIRST), 0);
        let write = open.env.write_txn().unwrap();
        open.catch_up_tags(&write, &tail);
        assert!(tail.lags() && tail.seen() < Position(last));
        tail.seen().get()
    }

    #[test]
    fn a_commit_takes_in_little_of_what_others_have_appended() {
        let directory = tempfile::tempdir().unwrap();
        drop(with_events(directory.path(), 10, 20_000));
        assert_eq!(taken_in_by_a_commit(directory.path(), 20_000), 4 * STEP);
        let directory = tempfile::tempdir().unwrap();
        drop(with_events(directory.path(), 600 << 10, 20));
        assert_eq!(taken_in_by_a_commit(directory.path(), 20), 7);
    }
}
