//! Views in a store of their own, beside a log that is no longer the one that they were made of.

use super::kit::{Balances, Counted, LONG, Seen, accounts, balances, count, pay, start};
use midgard::Views;
use midgard::consumer::{ConsumerState, Status};
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{MemoryStore, Midgard, Position, StartFrom, Store, Subscription, block_on};
use std::ops::ControlFlow;

fn project(log: &MemoryStore, views: &Views) -> Midgard<MemoryStore> {
    Midgard::new(log.clone()).project(Balances::<1>::default(), views.clone())
}

#[test]
fn a_log_that_was_restored_and_has_grown_beyond_the_views_is_noticed_and_a_rebuild_mends_it() {
    let views = Views::new(MemoryStore::new());
    let old = MemoryStore::new();
    accounts(&old);
    accounts(&old);
    block_on(project(&old, &views).catch_up()).unwrap();
    let before = balances(&views);
    // Another log, or a copy of that one: up to 5 as it was, and then others, up to 15.
    let log = MemoryStore::new();
    for cents in 1..=15 {
        pay(&log, "ann", cents);
    }
    let running = start(project(&log, &views));
    let is_noticed = |status: &Status| status.last_error.is_some();
    let status = running.handle.wait_until("balances", LONG, is_noticed);
    let status = block_on(status).unwrap();
    let error = status.last_error.unwrap().message;
    assert_eq!(status.state, ConsumerState::Retrying, "{error}");
    assert!(
        error.starts_with("it has handled events up to position 10, where event "),
        "{error}"
    );
    assert!(
        error.ends_with(
            "there: this is another log, or an older copy of it that has grown since; restore the newer one, rebuild the \
             projection, or give the subscription another name"
        ),
        "{error}"
    );
    running.stop().unwrap();
    assert_eq!(
        balances(&views),
        before,
        "nothing of the other log is in it"
    );
    let error = block_on(project(&log, &views).catch_up()).unwrap_err();
    assert!(error.to_string().contains("another log"), "{error}");

    let rebuilt = project(&log, &views);
    block_on(rebuilt.handle().rebuild("balances")).unwrap();
    let _ = block_on(rebuilt.catch_up());
    block_on(project(&log, &views).catch_up()).unwrap();
    assert_eq!(balances(&views), [("ann".to_owned(), 120)]);
}

#[test]
fn a_log_that_was_restored_and_grew_to_the_same_length_is_noticed() {
    let views = Views::new(MemoryStore::new());
    let (old, log) = (MemoryStore::new(), MemoryStore::new());
    accounts(&old);
    accounts(&log);
    block_on(project(&old, &views).catch_up()).unwrap();
    let error = block_on(project(&log, &views).catch_up()).unwrap_err();
    assert!(error.to_string().contains("another log"), "{error}");
    // With the log that they were made of, they go on.
    pay(&old, "ann", 1);
    block_on(project(&old, &views).catch_up()).unwrap();
    assert_eq!(balances(&views)[0], ("ann".to_owned(), 21));
}

#[test]
fn a_checkpoint_at_an_event_of_no_concern_tells_the_log_as_well() {
    let views = Views::new(MemoryStore::new());
    let (old, log) = (MemoryStore::new(), MemoryStore::new());
    for store in [&old, &log] {
        accounts(store);
        count(store, "counted", [1]);
    }
    block_on(project(&old, &views).catch_up()).unwrap();
    let error = block_on(project(&log, &views).catch_up()).unwrap_err();
    assert!(error.to_string().contains("position 6"), "{error}");
}

#[test]
fn a_checkpoint_whose_event_was_removed_since_holds_nothing_up() {
    let store = MemoryStore::new();
    count(&store, "told", [1, 2]);
    count(&store, "kept", [3]);
    let seen = Seen::default();
    let midgard = || {
        let subscription = Subscription::<Counted>::events("teller", StartFrom::Start);
        Midgard::new(store.clone()).subscribe(subscription, seen.collect())
    };
    block_on(midgard().catch_up()).unwrap();
    let stream = midgard::StreamName::new("kept").unwrap();
    block_on(store.tombstone(&stream, midgard::store::ExpectedVersion::Any)).unwrap();
    count(&store, "told", [4]);
    block_on(midgard().catch_up()).unwrap();
    assert_eq!(seen.all(), [1, 2, 3, 4]);
}

#[test]
fn notes_of_before_checkpoints_told_their_log_are_read_and_added_to() {
    let store = MemoryStore::new();
    let last = count(&store, "told", [1, 2, 3]);
    let write = EntryWrite::new()
        .put(
            b"subscription/teller/about",
            br#"{"format":1,"partitions":1,"start":0}"#,
        )
        .put(
            b"subscription/teller/0000000000/checkpoint/0/00000",
            br#"{"format":1,"position":2}"#,
        )
        .put(
            b"subscription/teller/0000000000/lease/00000",
            br#"{"format":1,"owner":null,"epoch":2}"#,
        )
        .put(
            b"subscription/teller/0000000000/letter/0/00000000000000000001",
            br#"{"format":1,"log":0,"position":1,"sequence":"other","partition":0,"name":"counted","error":"no 1 today","failures":1,"parked":1,"tried":1}"#,
        );
    block_on(store.write_entries(write)).unwrap();
    let seen = Seen::default();
    let subscription = Subscription::<Counted>::events("teller", StartFrom::Start);
    let midgard = Midgard::new(store.clone()).subscribe(subscription, seen.collect());
    let handle = midgard.handle();
    assert_eq!(block_on(handle.dead_letters("teller")).unwrap().len(), 1);
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [3]);
    assert_eq!(last, Position(3));
    let mut about = String::new();
    let read = ReadEntries::key(b"subscription/teller/about");
    let each = &mut |_: &[u8], value: &[u8]| {
        about = String::from_utf8(value.to_vec()).unwrap();
        ControlFlow::Continue(())
    };
    block_on(store.read_entries(&read, each)).unwrap();
    assert_eq!(
        about,
        r#"{"format":1,"partitions":1,"start":0,"coverage":{"events":{"counted":1}}}"#
    );
}
