//! Appends that change entries: the events and the entries are one step.

use super::super::kit::*;
use super::kit::{
    all, answers_again, by_prefix, entry_changed, handled, has, has_not, leaves_entries, put_all,
    unless_any_event, write,
};
use midgard::DynStore;
use midgard::limits::{LimitError, Limited};
use midgard::store::EntryWrite;
use midgard::store::ExpectedVersion;
use std::pin::pin;
use std::sync::Arc;

pub(in super::super) async fn append_changes_entries_with_its_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a", b"b", b"c"]).await;
    let mut appended = put_any(&store, STREAM, 1).await;
    let events = events(2);
    let change = EntryWrite::new()
        .expect(b"a", Some(b"a"))
        .expect(b"d", None)
        .put(b"a", b"2")
        .remove(b"b")
        .put(b"d", b"new")
        .put(b"e", &[7; 10_000]);
    let append = to(STREAM, Version(1), events.clone()).with_entries(change);
    let answer = put(&store, append).await;
    assert_eq!(answer.version(), Version(3), "an answer as ever");
    assert_eq!(answer.position, Some(Position(3)), "entries have none");
    appended.extend(events);
    holds(&store, STREAM, &appended).await;
    assert_eq!(
        by_prefix(&store, b"").await,
        [b"a", b"c", b"d", b"e"],
        "what was removed is gone, what was put is there"
    );
    has(&store, b"a", b"2").await;
    has(&store, b"c", b"c").await;
    has(&store, b"d", b"new").await;
    has(&store, b"e", &[7; 10_000]).await;
}

pub(in super::super) async fn entry_not_as_expected_appends_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    put_all(&store, &[b"a", b"c"]).await;
    let right = EntryWrite::new()
        .expect(b"a", Some(b"a"))
        .expect(b"b", None)
        .expect(b"c", Some(b"c"))
        .put(b"0", b"new")
        .put(b"b", b"new")
        .remove(b"c");
    let wrong: [(&[u8], Option<&[u8]>); 6] = [
        (b"a", None),
        (b"a", Some(b"another")),
        (b"b", Some(b"")),
        (b"c", None),
        (b"c", Some(b"")),
        (b"d", Some(b"d")),
    ];
    for (key, value) in wrong {
        let entries = right.clone().expect(key, value);
        for expected in [Any, Exists, Exact(Version(1))] {
            let append = to(STREAM, expected, events(2)).with_entries(entries.clone());
            entry_changed(&store, append, key).await;
        }
        let append = to("account-2", NoStream, events(1)).with_entries(entries);
        entry_changed(&store, append, key).await;
    }
    put(&store, to(STREAM, Any, events(1)).with_entries(right)).await;
    assert_eq!(
        by_prefix(&store, b"").await,
        [b"0", b"a", b"b"],
        "all was as expected"
    );
}

pub(in super::super) async fn conflict_changes_no_entry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    put_all(&store, &[b"a"]).await;
    let change = || handled(b"message").put(b"a", b"new");
    for expected in [NoStream, Exact(Version(1)), Exact(Version(3))] {
        let append = to(STREAM, expected, events(1)).with_entries(change());
        leaves_entries(&store, conflicts(&store, append, STREAM, 2)).await;
    }
    let append = to("account-2", Exists, events(1)).with_entries(change());
    leaves_entries(&store, conflicts(&store, append, "account-2", 0)).await;
    put(&store, to(STREAM, Any, events(1)).with_entries(change())).await;
    has(&store, b"message", b"handled").await;
}

pub(in super::super) async fn partly_known_batch_changes_no_entry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut batch = put_any(&store, STREAM, 1).await;
    batch.extend(events(1));
    let append = to(STREAM, Any, batch).with_entries(handled(b"message"));
    leaves_entries(&store, conflicts(&store, append, STREAM, 1)).await;
    has_not(&store, b"message").await;
}

pub(in super::super) async fn failed_condition_changes_no_entry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 1).await;
    let append = unless_any_event(to(STREAM, NoStream, events(1)));
    let append = append.with_entries(handled(b"message").put(b"a", b"new"));
    leaves_entries(&store, condition_fails(&store, append, Position(1))).await;
    assert!(all(&store).await.is_empty(), "nothing was handled");
}

pub(in super::super) async fn tombstoned_stream_changes_no_entry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    let ended = store.tombstone(&stream(STREAM), Any).await;
    ended.expect("it tombstones");
    let append = to(STREAM, Any, events(1)).with_entries(handled(b"message"));
    says_tombstoned(refused(&store, append).await, STREAM, 2);
    assert!(all(&store).await.is_empty(), "nothing was handled");
}

pub(in super::super) async fn entries_are_checked_after_versions_and_conditions<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    put_all(&store, &[b"message"]).await;
    let with = |append: Append| append.with_entries(handled(b"message"));
    let append = with(to(STREAM, NoStream, events(1)));
    conflicts(&store, append, STREAM, 1).await;
    let append = with(unless_any_event(to(STREAM, Any, events(1))));
    condition_fails(&store, append, Position(1)).await;
    entry_changed(&store, with(to(STREAM, Any, events(1))), b"message").await;
    let ended = store.tombstone(&stream(STREAM), Any).await;
    ended.expect("it tombstones");
    let append = with(to(STREAM, Any, events(1)));
    says_tombstoned(refused(&store, append).await, STREAM, 1);
}

pub(in super::super) async fn retry_of_an_append_changes_no_entry_again<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-0", 1).await;
    let expected = [
        ("account-1", NoStream),
        ("account-2", Exact(Version::ZERO)),
        ("account-3", Any),
        ("account-0", Exact(Version(1))),
        ("account-0", Exists),
        ("account-0", Any),
    ];
    for (name, expected) in expected {
        write(&store, EntryWrite::new().put(b"old", b"1").remove(b"count")).await;
        let change = EntryWrite::new()
            .expect(b"count", None)
            .put(b"count", b"1")
            .remove(b"old");
        let append = to(name, expected, events(2)).with_entries(change);
        let first = put(&store, append.clone()).await;
        // Its expectation of the entry no longer holds, because of the append itself.
        answers_again(&store, &append, &first).await;
        // Others continued from there.
        write(
            &store,
            EntryWrite::new().put(b"count", b"2").put(b"old", b"2"),
        )
        .await;
        put_any(&store, name, 1).await;
        answers_again(&store, &append, &first).await;
        // Its expectation holds again.
        write(&store, EntryWrite::new().remove(b"count")).await;
        answers_again(&store, &append, &first).await;
        has_not(&store, b"count").await;
        has(&store, b"old", b"2").await;
    }
}

pub(in super::super) async fn retry_of_an_append_that_expects_nothing_changes_no_entry_again<
    F: Fixture,
>(
    fixture: &F,
) {
    let store = fixture.open();
    for (name, expected) in [("account-1", NoStream), ("account-2", Any)] {
        let change = EntryWrite::new().put(b"count", b"1");
        let append = to(name, expected, events(1)).with_entries(change);
        let first = put(&store, append.clone()).await;
        write(&store, EntryWrite::new().put(b"count", b"2")).await;
        answers_again(&store, &append, &first).await;
        has(&store, b"count", b"2").await;
    }
}

pub(in super::super) async fn append_of_entries_only<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    let mut waiting = pin!(store.wait_past(LogId::MAIN, Position(2)));
    assert!(is_waiting(waiting.as_mut()).await, "nothing is there yet");
    let answer = put(
        &store,
        to(STREAM, Version(2), []).with_entries(handled(b"a")),
    )
    .await;
    assert_eq!(answer.version(), Version(2), "the version it found");
    put(&store, Append::default().with_entries(handled(b"b"))).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a", b"b"]);

    let append = to(STREAM, Version(1), []).with_entries(handled(b"c"));
    leaves_entries(&store, conflicts(&store, append, STREAM, 2)).await;
    for append in [to(STREAM, Any, []), Append::default()] {
        let append = unless_any_event(append).with_entries(handled(b"c"));
        leaves_entries(&store, condition_fails(&store, append, Position(1))).await;
    }
    // There is no event that identifies a retry.
    for append in [to(STREAM, Version(2), []), Append::default()] {
        entry_changed(&store, append.with_entries(handled(b"a")), b"a").await;
    }
    assert_eq!(last_position(&store).await, Position(2), "it has no events");
    assert!(
        is_waiting(waiting.as_mut()).await,
        "entries are nothing to wait for"
    );
    put_any(&store, STREAM, 1).await;
    waiting.await.expect("a store can be waited for");
}

pub(in super::super) async fn expectations_alone_of_an_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"lease"]).await;
    let mine = || EntryWrite::new().expect(b"lease", Some(b"lease"));
    let events = events(2);
    put(
        &store,
        to(STREAM, NoStream, events.clone()).with_entries(mine()),
    )
    .await;
    put(
        &store,
        to(STREAM, Any, []).with_entries(EntryWrite::new().expect(b"other", None)),
    )
    .await;
    write(&store, EntryWrite::new().put(b"lease", b"another's")).await;
    let append = to(STREAM, Any, [event()]).with_entries(mine());
    entry_changed(&store, append, b"lease").await;
    holds(&store, STREAM, &events).await;
    assert_eq!(by_prefix(&store, b"").await, [b"lease"]);
}

pub(in super::super) async fn append_with_a_change_of_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let events = events(2);
    let append = to(STREAM, NoStream, events.clone()).with_entries(EntryWrite::new());
    put(&store, append).await;
    put(&store, Append::default().with_entries(EntryWrite::new())).await;
    holds(&store, STREAM, &events).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a"]);
}

pub(in super::super) async fn several_streams_and_entries_change_together<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let (one, other) = (events(2), events(1));
    let append = |last: ExpectedVersion| {
        to("account-1", NoStream, one.clone())
            .and(stream("account-2"), Any, [])
            .and(stream("account-3"), last, other.clone())
    };
    let change = || handled(b"message").remove(b"a").put(b"b", b"new");
    let wrong = append(Exists).with_entries(change());
    leaves_entries(&store, conflicts(&store, wrong, "account-3", 0)).await;
    let wrong = append(NoStream).with_entries(change().expect(b"a", None));
    entry_changed(&store, wrong, b"a").await;
    let right = append(NoStream).with_entries(change());
    let first = put(&store, right.clone()).await;
    assert_eq!(first.versions, [Version(2), Version(0), Version(1)]);
    holds(&store, "account-1", &one).await;
    holds(&store, "account-3", &other).await;
    assert_eq!(by_prefix(&store, b"").await, [&b"b"[..], b"message"]);
    write(&store, EntryWrite::new().put(b"a", b"later")).await;
    answers_again(&store, &right, &first).await;
}

pub(in super::super) async fn limits_of_the_entries_of_an_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    put_all(&store, &[b"a"]).await;
    let long = vec![b'k'; limits::ENTRY_KEY_BYTES + 1];
    let large = vec![b' '; limits::ENTRY_VALUE_BYTES + 1];
    let empty = LimitError::Empty(Limited::EntryKey);
    let too_long = |what, limit, actual| LimitError::TooLong {
        what,
        limit,
        actual,
    };
    let long_key = too_long(Limited::EntryKey, limits::ENTRY_KEY_BYTES, long.len());
    let large_value = too_long(Limited::EntryValue, limits::ENTRY_VALUE_BYTES, large.len());
    let fine = EntryWrite::new().put(b"a", b"new").put(b"b", b"new");
    let most = limits::ENTRIES_PER_WRITE;
    let mut many = EntryWrite::new();
    (0..=most as u32).for_each(|number| many.set(number.to_be_bytes().to_vec(), None));
    let too_many = too_long(Limited::Entries, most, most + 1);
    let broken = [
        (fine.clone().put(b"", b"value"), &empty),
        (fine.clone().remove(b""), &empty),
        (fine.clone().expect(b"", None), &empty),
        (fine.clone().put(&long, b"value"), &long_key),
        (fine.clone().remove(&long), &long_key),
        (fine.clone().expect(&long, None), &long_key),
        (fine.clone().put(b"c", &large), &large_value),
        (many, &too_many),
    ];
    for (entries, wanted) in broken {
        for events in [events(1), Vec::new()] {
            let append = to(STREAM, Any, events).with_entries(entries.clone());
            let before = all(&store).await;
            match refused(&store, append).await {
                AppendError::Store(StoreError::Limit(error)) => {
                    assert_eq!(error, *wanted, "a store names the limit that was broken");
                }
                error => panic!("a store names the limit that was broken, and not: {error}"),
            }
            assert!(all(&store).await == before, "no entry was changed");
        }
    }
    let long = &long[1..];
    let at_the_limit = EntryWrite::new().put(long, &large[1..]);
    put(
        &store,
        to(STREAM, Any, events(1)).with_entries(at_the_limit),
    )
    .await;
    has(&store, long, &large[1..]).await;
}

pub(in super::super) async fn append_after_one_whose_entries_changed_is_as_ever<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let wrong = EntryWrite::new().expect(b"a", None).put(b"b", b"wrong");
    let refused = to(STREAM, NoStream, events(3)).with_entries(wrong);
    entry_changed(&store, refused.clone(), b"a").await;
    let events = events(2);
    let answer = put(&store, to(STREAM, NoStream, events.clone())).await;
    assert_eq!(answer.position, Some(Position(2)), "no position was used");
    holds(&store, STREAM, &events).await;
    has_not(&store, b"b").await;
    // It was not appended, so that it is no retry.
    conflicts(&store, refused, STREAM, 2).await;
}

pub(in super::super) async fn append_with_entries_wakes_followers<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut follow = store.events(ReadLog::forward()).follow();
    let mut waiting = pin!(store.wait_past(LogId::MAIN, Position::ZERO));
    assert!(is_waiting(waiting.as_mut()).await, "nothing is there yet");
    assert!(is_waiting(next(&mut follow)).await, "nothing is there yet");
    let events = events(2);
    let append = to(STREAM, NoStream, events.clone()).with_entries(handled(b"message"));
    put(&store, append).await;
    waiting.await.expect("a store can be waited for");
    assert_same(&take(&mut follow, 2).await, &events);
}

pub(in super::super) async fn reopened_store_has_events_and_entries_of_appends<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    put_all(&store, &[b"a"]).await;
    let events = events(3);
    let change = handled(b"message").remove(b"a").put(b"b", &[9; 10_000]);
    let append = to(STREAM, NoStream, events.clone()).with_entries(change);
    let first = put(&store, append.clone()).await;
    drop(store);
    let store = fixture.open();
    holds(&store, STREAM, &events).await;
    assert_eq!(by_prefix(&store, b"").await, [&b"b"[..], b"message"]);
    has(&store, b"b", &[9; 10_000]).await;
    answers_again(&store, &append, &first).await;
    let again = to(STREAM, Any, [event()]).with_entries(handled(b"message"));
    entry_changed(&store, again, b"message").await;
}

pub(in super::super) async fn shared_stores_pass_the_entries_of_appends_on<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    let shared = Arc::new(fixture.open());
    let erased = DynStore::new(fixture.open());
    let one = |key| to(STREAM, Any, events(1)).with_entries(handled(key));
    put(&store, one(b"a")).await;
    put(&shared, one(b"b")).await;
    put(&erased, one(b"c")).await;
    assert_eq!(by_prefix(&store, b"").await, [b"a", b"b", b"c"]);
    entry_changed(&shared, one(b"a"), b"a").await;
    entry_changed(&erased, one(b"b"), b"b").await;
}
