//! Subscriptions: catching up, continuing live, and waiting for new events.

use super::kit::*;
use std::pin::pin;
use std::thread;

pub(super) async fn follow_catches_up_and_goes_on<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = put_any(&store, STREAM, 300).await;
    let mut follow = store.events(ReadLog::forward()).follow();
    let mut seen = take(&mut follow, 300).await;
    for count in [1, 3, 500] {
        all.extend(put_any(&store, "account-2", count).await);
        seen.extend(take(&mut follow, count).await);
    }
    assert_same(&seen, &all);
    assert_list(
        &seen,
        &log(&store).await,
        "a follower sees the log as it is",
    );
}

pub(super) async fn follow_of_an_empty_log_waits_for_the_first_event<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut follow = store.events(ReadLog::forward()).follow();
    assert!(
        is_waiting(next(&mut follow)).await,
        "a follower waits while there is nothing"
    );
    let all = put_any(&store, STREAM, 1).await;
    assert_same(&take(&mut follow, 1).await, &all);
    assert!(
        is_waiting(next(&mut follow)).await,
        "a follower never ends by itself"
    );
}

pub(super) async fn follow_is_woken_by_an_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let seen = thread::scope(|threads| {
        let follower = threads.spawn(|| {
            fixture.block_on(async {
                let mut follow = store.events(ReadLog::forward()).follow();
                take(&mut follow, 20).await
            })
        });
        for _ in 0..20 {
            fixture.block_on(put_any(&store, STREAM, 1));
        }
        follower.join().expect("the follower sees all events")
    });
    assert_list(
        &seen,
        &log(&store).await,
        "a follower sees each event once, in order",
    );
}

pub(super) async fn follow_from_a_position<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 10).await;
    let mut follow = store.events(ReadLog::forward().after(Position(7))).follow();
    let mut seen = take(&mut follow, 3).await;
    put_any(&store, STREAM, 2).await;
    seen.extend(take(&mut follow, 2).await);
    let wanted: Vec<_> = (8..=12).map(Position).collect();
    assert_eq!(
        positions(&seen),
        wanted,
        "a follower goes on after the position it was given"
    );
}

pub(super) async fn follow_from_the_end_sees_only_what_is_new<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 10).await;
    let end = last_position(&store).await;
    let mut follow = store.events(ReadLog::forward().after(end)).follow();
    assert!(
        is_waiting(next(&mut follow)).await,
        "what was there before is not delivered"
    );
    let more = put_any(&store, STREAM, 2).await;
    assert_same(&take(&mut follow, 2).await, &more);
}

pub(super) async fn follow_from_beyond_the_end_waits_until_the_log_is_there<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    let mut follow = store.events(ReadLog::forward().from(Position(5))).follow();
    for _ in 0..2 {
        assert!(
            is_waiting(next(&mut follow)).await,
            "the log has not come so far yet"
        );
        put_any(&store, STREAM, 1).await;
    }
    let more = put_any(&store, STREAM, 2).await;
    assert_same(&take(&mut follow, 2).await, &more);
}

pub(super) async fn follow_with_a_limit_ends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    let mut follow = store.events(ReadLog::forward().limit(5)).follow();
    take(&mut follow, 3).await;
    assert!(
        is_waiting(next(&mut follow)).await,
        "the limit is not reached yet"
    );
    put_any(&store, STREAM, 4).await;
    let last = rest(follow).await;
    assert_eq!(
        positions(&last),
        [Position(4), Position(5)],
        "a follower ends at its limit"
    );
    assert!(
        rest(store.events(ReadLog::forward().limit(0)).follow())
            .await
            .is_empty(),
        "a limit of 0 ends at once"
    );
}

pub(super) async fn follow_with_a_query_skips_the_rest<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let wanted = QueryItem::new().name("wanted").tag("kind:rare");
    let mut follow = store.events(ReadLog::forward().matching(wanted)).follow();
    for round in 0..5 {
        let one = tagged("wanted", &["kind:rare"]);
        let mut batch = events(round * 100);
        batch.insert(round * 50, one.clone());
        put(&store, to(STREAM, Any, batch)).await;
        assert_same(&take(&mut follow, 1).await, &[one]);
        put(&store, to(STREAM, Any, [named("wanted")])).await;
        assert!(
            is_waiting(next(&mut follow)).await,
            "events that do not match are not delivered"
        );
    }
}

pub(super) async fn follow_loses_nothing_between_catching_up_and_live<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 500).await;
    let seen = thread::scope(|threads| {
        let writer = threads.spawn(|| {
            for count in 0..40 {
                fixture.block_on(put_any(&store, STREAM, 1 + count % 20));
            }
        });
        let all = 500 + (0..40).map(|count| 1 + count % 20).sum::<usize>();
        let follower = threads.spawn(move || {
            let store = fixture.open();
            fixture.block_on(async {
                let mut follow = store.events(ReadLog::forward()).follow();
                take(&mut follow, all).await
            })
        });
        writer.join().expect("the writer appends");
        follower.join().expect("the follower sees all events")
    });
    assert_list(
        &seen,
        &log(&store).await,
        "each event once, in order, without a gap",
    );
}

pub(super) async fn several_followers_see_the_same<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let seen: Vec<_> = thread::scope(|threads| {
        let follow = || {
            fixture.block_on(async {
                let mut follow = store.events(ReadLog::forward()).follow();
                take(&mut follow, 60).await
            })
        };
        let followers: Vec<_> = (0..4).map(|_| threads.spawn(follow)).collect();
        for _ in 0..20 {
            fixture.block_on(put_any(&store, STREAM, 3));
        }
        followers
            .into_iter()
            .map(|follower| follower.join().expect("all is seen"))
            .collect()
    });
    let all = log(&store).await;
    for seen in seen {
        assert_list(&seen, &all, "each follower sees each event once, in order");
    }
}

pub(super) async fn follow_dropped_early_does_no_harm<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1000).await;
    for _ in 0..200 {
        let mut unread = store.events(ReadLog::forward()).follow();
        take(&mut unread, 1).await;
        let mut waiting = store
            .events(ReadLog::forward().after(Position(1000)))
            .follow();
        assert!(
            is_waiting(next(&mut waiting)).await,
            "it waits for what comes"
        );
    }
    let more = put_any(&store, STREAM, 1).await;
    let mut follow = store
        .events(ReadLog::forward().after(Position(1000)))
        .follow();
    assert_same(&take(&mut follow, 1).await, &more);
}

pub(super) async fn backward_reads_do_not_follow<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    let backward = rest(store.events(ReadLog::backward()).follow()).await;
    assert_eq!(
        versions(&backward),
        [3, 2, 1],
        "a backward read ends at the beginning"
    );
}

pub(super) async fn read_of_one_stream_does_not_follow<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    let read = ReadStream::forward(stream(STREAM));
    let seen = rest(store.stream_events(read).follow()).await;
    assert_eq!(
        versions(&seen),
        [1, 2, 3],
        "a read of one stream ends at its end"
    );
}

async fn wait_past(store: &impl Store, position: u64) {
    store
        .wait_past(LogId::MAIN, Position(position))
        .await
        .expect("a store can be waited for");
}

pub(super) async fn wait_past_ends_at_once_when_there_is_more<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    for position in 0..3 {
        wait_past(&store, position).await;
    }
}

pub(super) async fn wait_past_waits_at_the_end<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    assert!(
        is_waiting(wait_past(&store, 0)).await,
        "an empty log has nothing after 0"
    );
    put_any(&store, STREAM, 3).await;
    for position in [3, 4, u64::MAX] {
        let waiting = is_waiting(wait_past(&store, position)).await;
        assert!(waiting, "a log that ends at 3 has nothing after {position}");
    }
}

pub(super) async fn wait_past_ends_with_the_next_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for position in 0..20 {
        let mut waiting = pin!(wait_past(&store, position));
        assert!(
            is_waiting(waiting.as_mut()).await,
            "nothing is after {position} yet"
        );
        put_any(&store, STREAM, 1).await;
        waiting.await;
    }
}

pub(super) async fn wait_past_waits_for_its_position<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut waiting = pin!(wait_past(&store, 3));
    for _ in 0..3 {
        assert!(is_waiting(waiting.as_mut()).await, "nothing is after 3 yet");
        put_any(&store, STREAM, 1).await;
    }
    assert!(
        is_waiting(waiting.as_mut()).await,
        "the log ends at 3, and nothing is after it"
    );
    put_any(&store, STREAM, 1).await;
    waiting.await;
}

pub(super) async fn refused_append_is_nothing_to_wait_for<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    let mut waiting = pin!(wait_past(&store, 1));
    assert!(is_waiting(waiting.as_mut()).await, "nothing is there yet");
    conflicts(&store, to(STREAM, NoStream, events(1)), STREAM, 1).await;
    put(&store, to(STREAM, Any, [])).await;
    assert!(is_waiting(waiting.as_mut()).await, "nothing was appended");
    put_any(&store, STREAM, 1).await;
    waiting.await;
}

pub(super) async fn many_wait_and_all_are_woken<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                for position in 0..10 {
                    fixture.block_on(wait_past(&store, position));
                }
            });
        }
        for _ in 0..10 {
            fixture.block_on(put_any(&store, STREAM, 1));
        }
    });
}

pub(super) async fn what_was_waited_for_can_be_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    thread::scope(|threads| {
        threads.spawn(|| {
            fixture.block_on(async {
                for position in 0..30 {
                    wait_past(&store, position).await;
                    let read = ReadLog::forward().after(Position(position)).limit(1);
                    let (events, _) = scan(&store, &read).await;
                    assert_eq!(events.len(), 1, "what ended the wait is there to be read");
                }
            });
        });
        for _ in 0..30 {
            fixture.block_on(put_any(&store, STREAM, 1));
        }
    });
}
