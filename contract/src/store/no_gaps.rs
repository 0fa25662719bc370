//! The log promise: once a reader has passed a position, nothing at or below it ever appears.
//!
//! Emmett and Marten test readers that detect gaps of transactions that commit out of order, wait for them, and give
//! up after a while. Here the store makes the promise, so there is no such state to test: a reader takes what it is
//! given and never goes back.

use super::kit::*;
use std::thread;

/// Continues reading after the seen events until there are `count`.
async fn tail(store: &impl Store, count: usize, limit: u64, query: Query) -> Vec<RecordedEvent> {
    let mut seen = Vec::new();
    let mut after = Position::ZERO;
    while seen.len() < count {
        let what = ReadLog::forward()
            .after(after)
            .limit(limit)
            .matching(query.clone());
        let (events, reached) = scan(store, &what).await;
        if reached == after {
            store
                .wait_past(LogId::MAIN, after)
                .await
                .expect("a store can be waited for");
        }
        after = reached;
        seen.extend(events);
    }
    seen
}

/// Lets threads append, each its own events, while others follow the log; all must see all.
async fn nothing_is_skipped<F: Fixture>(fixture: &F, writers: &[&[usize]]) {
    let store = fixture.open();
    let all = writers.iter().flat_map(|sizes| sizes.iter()).sum();
    let seen: Vec<_> = thread::scope(|threads| {
        let store = &store;
        let tails: Vec<_> = [u64::MAX, 7, 1000]
            .into_iter()
            .map(|limit| {
                threads.spawn(move || fixture.block_on(tail(store, all, limit, Query::all())))
            })
            .collect();
        for (writer, sizes) in writers.iter().enumerate() {
            threads.spawn(move || {
                for size in *sizes {
                    fixture.block_on(put_any(store, &format!("account-{writer}"), *size));
                }
            });
        }
        tails
            .into_iter()
            .map(|tail| tail.join().expect("the reader sees all events"))
            .collect()
    });
    let log = log(&store).await;
    for seen in seen {
        assert_list(
            &seen,
            &log,
            "a reader that tails the log sees each event once, and skips none",
        );
    }
}

pub(super) async fn nothing_appears_behind_a_reader<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut before: Vec<RecordedEvent> = Vec::new();
    for index in 0..40 {
        put_any(&store, &format!("account-{}", index % 3), 1 + index % 2).await;
        let now = log(&store).await;
        assert!(now.starts_with(&before), "the log only grows at its end");
        assert_eq!(
            now.len() - before.len(),
            1 + index % 2,
            "what was appended is there at once"
        );
        before = now;
    }
}

pub(super) async fn reader_that_goes_on_after_each_append_sees_all<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (mut seen, mut after) = (Vec::new(), Position::ZERO);
    for index in 0..40 {
        put_any(&store, &format!("account-{}", index % 3), 1 + index % 2).await;
        let (events, reached) = scan(&store, &ReadLog::forward().after(after)).await;
        seen.extend(events);
        after = reached;
    }
    assert_list(&seen, &log(&store).await, "each event once, none skipped");
}

pub(super) async fn last_position_is_what_can_be_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    thread::scope(|threads| {
        let store = &store;
        for writer in 0..4 {
            threads.spawn(move || {
                for _ in 0..20 {
                    fixture.block_on(put_any(store, &format!("account-{writer}"), 3));
                }
            });
        }
        threads.spawn(move || {
            fixture.block_on(async {
                let mut end = Position::ZERO;
                while end < Position(240) {
                    store
                        .wait_past(LogId::MAIN, end)
                        .await
                        .expect("it can be waited for");
                    end = last_position(store).await;
                    let (events, _) = scan(store, &ReadLog::forward().limit(end.0)).await;
                    let wanted: Vec<_> = (1..=end.0).map(Position).collect();
                    assert_eq!(
                        positions(&events),
                        wanted,
                        "all up to the last position is there"
                    );
                }
            });
        });
    });
}

pub(super) async fn nothing_of_many_small_appends_is_skipped<F: Fixture>(fixture: &F) {
    nothing_is_skipped(fixture, &[&[1; 40], &[1; 40], &[1; 40], &[1; 40]]).await;
}

pub(super) async fn nothing_of_a_large_append_is_skipped<F: Fixture>(fixture: &F) {
    nothing_is_skipped(fixture, &[&[2000], &[1; 40], &[1; 40]]).await;
}

pub(super) async fn nothing_of_several_large_appends_is_skipped<F: Fixture>(fixture: &F) {
    nothing_is_skipped(fixture, &[&[700, 700], &[900, 300], &[1; 40], &[2, 100, 2]]).await;
}

pub(super) async fn nothing_is_skipped_when_others_are_refused<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    let seen = thread::scope(|threads| {
        let store = &store;
        let reader = threads.spawn(move || fixture.block_on(tail(store, 81, 5, Query::all())));
        for writer in 0..4 {
            threads.spawn(move || {
                for _ in 0..20 {
                    let late = store.append(to(STREAM, NoStream, events(3)));
                    fixture.block_on(late).expect_err("the stream exists");
                    fixture.block_on(put_any(store, &format!("account-{}", writer + 2), 1));
                }
            });
        }
        reader.join().expect("the reader sees all events")
    });
    assert_list(
        &seen,
        &log(&store).await,
        "a refused append leaves nothing that a reader waits for",
    );
    let wanted: Vec<_> = (1..=81).map(Position).collect();
    assert_eq!(
        positions(&seen),
        wanted,
        "a refused append takes no positions"
    );
}

pub(super) async fn nothing_that_matches_is_skipped<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let query = Query::from(QueryItem::new().tag("kind:rare"));
    let seen = thread::scope(|threads| {
        let (store, wanted) = (&store, query.clone());
        let reader = threads.spawn(move || fixture.block_on(tail(store, 80, 3, wanted)));
        for writer in 0..4 {
            threads.spawn(move || {
                for index in 0..20 {
                    let mut batch = events(index % 4);
                    batch.push(tagged("some.event", &["kind:rare"]));
                    fixture.block_on(put(store, to(&format!("account-{writer}"), Any, batch)));
                }
            });
        }
        reader
            .join()
            .expect("the reader sees all events that match")
    });
    assert_list(
        &seen,
        &matching(&store, query).await,
        "each event that matches, once",
    );
}
