//! Reads that take long let others have a turn.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event};
use futures_util::{FutureExt, pin_mut};
use midgard::store::{QueryItem, ReadLog};
use midgard::{LogId, Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::ops::ControlFlow;

/// Reads to the end, and gives how many turns others got.
fn turns_in(store: &LmdbStore, read: &ReadLog) -> usize {
    let mut visit = |_: midgard::event::RecordedEventRef<'_>| ControlFlow::Continue(());
    let reading = store.read_log(read, &mut visit);
    pin_mut!(reading);
    let mut turns = 0;
    let reached = loop {
        match reading.as_mut().now_or_never() {
            Some(reached) => break reached.unwrap(),
            None => turns += 1,
        }
    };
    assert_eq!(reached, block_on(store.last_position(LogId::MAIN)).unwrap());
    turns
}

#[test]
fn a_read_of_many_events_does_not_keep_the_thread_for_the_whole_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    for _ in 0..5 {
        append(&store, "a", (0..1_000).map(|_| event("{}")).collect()).unwrap();
    }
    let turns = turns_in(&store, &ReadLog::forward());
    assert!(turns >= 3, "{turns} turns for others in 5,000 events");
}

#[test]
fn a_search_for_rare_events_does_not_keep_the_thread_until_it_finds_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    for _ in 0..10 {
        // No two neighbours have the same tag, and none has both.
        let tagged = |number: u64| event("{}").with_tag("odd", &(number % 2).to_string());
        append(&store, "a", (0..3_000).map(tagged).collect()).unwrap();
    }
    let both = QueryItem::new().tag("odd:0").tag("odd:1");
    let turns = turns_in(&store, &ReadLog::forward().matching(both));
    assert!(turns >= 1, "{turns} turns for others in 30,000 events");
}
