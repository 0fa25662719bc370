//! Reads that take long let others have a turn.
#![allow(clippy::unwrap_used)]

use crate::common::{append, event};
use futures_util::{FutureExt, pin_mut};
use midgard::store::{QueryItem, ReadLog};
use midgard::{LogId, Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::ops::ControlFlow;

#[test]
fn a_read_of_rare_events_does_not_keep_the_thread_for_the_whole_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    for _ in 0..5 {
        append(&store, "a", (0..1_000).map(|_| event("{}")).collect()).unwrap();
    }
    let read = ReadLog::forward().matching(QueryItem::new().name("never"));
    let mut visit = |_: midgard::event::RecordedEventRef<'_>| ControlFlow::Continue(());
    let reading = store.read_log(&read, &mut visit);
    pin_mut!(reading);
    let mut turns = 0;
    let reached = loop {
        match reading.as_mut().now_or_never() {
            Some(reached) => break reached.unwrap(),
            None => turns += 1,
        }
    };
    assert!(turns >= 3, "{turns} turns for others in 5,000 events");
    assert_eq!(reached, block_on(store.last_position(LogId::MAIN)).unwrap());
}
