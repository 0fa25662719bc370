//! Reads that are led to much, or to little: none holds up the thread that polls it, however much there is.

use super::*;
use midgard::event::RecordedEventRef;
use std::pin::pin;
use std::task::{Context, Waker};

/// Reads, and returns the positions of the events and how often the read gave way.
fn read_in_turns(store: &LmdbStore, read: &ReadLog) -> (Vec<Position>, usize) {
    let mut found = Vec::new();
    let visit = &mut |event: RecordedEventRef<'_>| {
        found.push(event.position);
        ControlFlow::Continue(())
    };
    let mut turns = 0;
    {
        let mut reading = pin!(store.read_log(read, visit));
        let mut context = Context::from_waker(Waker::noop());
        while reading.as_mut().poll(&mut context).is_pending() {
            turns += 1;
        }
    }
    (found, turns)
}

fn by_tag(tag: &str) -> ReadLog {
    ReadLog::forward().matching(QueryItem::new().tag(tag))
}

#[test]
fn the_first_read_by_tag_takes_in_what_no_run_has_a_little_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(41);
    let store = open(directory.path());
    fill(&store, &mut random, 20_000);
    drop(store);
    let store = open(directory.path());
    let never = by_tag("once:never");
    let (found, turns) = read_in_turns(&store, &never);
    assert_eq!(found, []);
    assert!(turns >= 20_000 / 2_048, "{turns} turns");
    // From then on it is known.
    assert_eq!(read_in_turns(&store, &never), (Vec::new(), 0));
}

#[test]
fn large_records_are_taken_in_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..12_usize {
        let large = event("x".repeat(1 << 20)).with_tag("number", &number.to_string());
        let append = Append::to(stream("large"), ExpectedVersion::Any, [large]);
        block_on(store.append(append)).unwrap();
    }
    drop(store);
    let store = open(directory.path());
    let wanted = by_tag("number:3").from(Position::FIRST);
    let (found, turns) = read_in_turns(&store, &wanted);
    assert_eq!(found, [Position(4)]);
    // Those that are left are scanned.
    let append = Append::to(
        stream("new"),
        ExpectedVersion::Any,
        [event("{}").with_tag("number", "3")],
    );
    block_on(store.append(append)).unwrap();
    assert_eq!(positions(&store, &wanted), [Position(4), Position(13)]);
    assert!(turns > 0);
}

#[test]
fn entries_of_removed_events_are_passed_a_few_at_a_time() {
    const REMOVED: usize = 6_000;
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for _ in 0..REMOVED / 100 {
        // They do not lie near each other: what is near is scanned.
        let append = (0..100).fold(Append::default(), |append, _| {
            let tagged = event("{}").with_tag("owner", "1");
            let others: Vec<_> = (0..4).map(|_| event("{}")).collect();
            append
                .and(stream("removed"), ExpectedVersion::Any, [tagged])
                .and(stream("kept"), ExpectedVersion::Any, others)
        });
        block_on(store.append(append)).unwrap();
    }
    let read = by_tag("owner:1");
    let all = positions(&store, &read);
    assert_eq!(all.len(), REMOVED);
    let append = Append::to(
        stream("last"),
        ExpectedVersion::Any,
        [event("{}").with_tag("owner", "1")],
    );
    block_on(store.append(append)).unwrap();
    block_on(store.tombstone(&stream("removed"), ExpectedVersion::Any)).unwrap();
    let (found, turns) = read_in_turns(&store, &read);
    assert_eq!(found.len(), 1);
    assert!(turns >= REMOVED / 1_024, "{turns} turns");
    let backward = ReadLog::backward().matching(read.query);
    let (backward, turns) = read_in_turns(&store, &backward);
    assert_eq!(backward, found);
    assert!(turns >= REMOVED / 1_024, "{turns} turns");
}

#[test]
fn commits_of_many_events_leave_none_behind_that_were_there_when_the_store_was_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(42);
    let store = open(directory.path());
    fill(&store, &mut random, 30_000);
    drop(store);
    let store = open(directory.path());
    for _ in 0..45 {
        let batch: Vec<_> = (0..4_000).map(|_| event("{}")).collect();
        let append = Append::to(stream("one"), ExpectedVersion::Any, batch);
        block_on(store.append(append)).unwrap();
    }
    let tags = store.statistics(|_| ControlFlow::Break(())).unwrap().tags;
    assert!(tags.behind <= 2 * 32_768, "{tags:?}");
    check(&store, &mut random, 5);
}
