//! Retries that expect no exact version: recognised among the last events of the log, and only there.
#![allow(clippy::unwrap_used)]

mod common;

use common::{append, event, open_unsynced, stream};
use midgard::store::rules::RECENT_EVENTS;
use midgard::{Append, ExpectedVersion, Store, Version, block_on};

/// Appends so many events to another stream.
fn fill_log(store: &impl Store, mut events: usize) {
    while events > 0 {
        let count = events.min(1_000);
        append(store, "other", (0..count).map(|_| event("x")).collect()).unwrap();
        events -= count;
    }
}

#[test]
fn an_id_that_is_there_twice_is_recognised_as_long_as_the_last_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let twice = event("twice");
    let append_to = |last| {
        let append = Append::to(stream("a"), Version(last), [twice.clone()]);
        block_on(store.append(append)).unwrap();
    };
    let retry = || append(&store, "a", vec![twice.clone()]).unwrap().version();
    append_to(0);
    fill_log(&store, 10);
    append_to(1);
    assert_eq!(retry(), Version(1));
    // All but the last event of the stream.
    fill_log(&store, RECENT_EVENTS - 1);
    assert_eq!(retry(), Version(2));
    fill_log(&store, 1);
    assert_eq!(retry(), Version(3));
}

#[test]
fn what_was_removed_is_no_retry_and_what_is_left_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open_unsynced(directory.path());
    let (first, second) = (event("1"), event("2"));
    append(&store, "a", vec![first.clone(), second.clone()]).unwrap();
    let elsewhere = append(&store, "b", vec![first.clone()]).unwrap();
    // By now the store has looked for ids.
    assert_eq!(append(&store, "b", vec![first.clone()]).unwrap(), elsewhere);
    let a = stream("a");
    block_on(store.truncate(&a, Version(2), ExpectedVersion::Any)).unwrap();
    let version = |name, event| append(&store, name, vec![event]).unwrap().version();
    assert_eq!(version("b", first.clone()), Version(1));
    assert_eq!(version("a", second), Version(2));
    assert_eq!(version("a", first.clone()), Version(3));
    assert_eq!(version("a", first), Version(3));
}
