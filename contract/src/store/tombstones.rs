//! Tombstones: a stream is ended for good.
//!
//! Neither soft deletion nor writing to a deleted stream "as if it had never existed" is offered: versions never
//! restart, so that remembered facts about a stream stay true. The log of all events cannot be named as a stream, so
//! nothing needs to guard it.

use super::endings::*;
use super::kit::*;
use midgard::Event as _;
use midgard::store::StreamTombstoned;

pub(super) async fn positions_are_never_used_again<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 2).await;
    put_any(&store, STREAM, 3).await;
    truncate(&store, 4).await;
    assert_eq!(
        last_position(&store).await,
        Position(6),
        "a truncation takes a position"
    );
    let appended = put(&store, to(STREAM, Any, events(1))).await;
    assert_eq!(
        appended.position,
        Some(Position(7)),
        "positions go on after a truncation"
    );
    tombstone(&store, STREAM).await;
    assert_eq!(
        last_position(&store).await,
        Position(8),
        "a tombstone takes a position"
    );
    let appended = put(&store, to("account-2", Any, events(1))).await;
    assert_eq!(
        appended.position,
        Some(Position(9)),
        "positions go on after a tombstone"
    );
}

pub(super) async fn read_of_the_log_passes_over_what_was_removed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 1).await;
    put_any(&store, STREAM, 3).await;
    tombstone(&store, STREAM).await;
    let (events, reached) = scan(&store, &ReadLog::forward()).await;
    assert_eq!(
        positions(&events),
        [Position(1)],
        "what was removed is not read"
    );
    assert_eq!(
        reached,
        Position(5),
        "a reader goes on after what was removed, and does not wait"
    );
}

pub(super) async fn tombstoned_stream_has_no_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    let others = history(&store, "account-2").await;
    tombstone(&store, STREAM).await;
    for what in [
        ReadStream::forward(stream(STREAM)),
        ReadStream::backward(stream(STREAM)),
    ] {
        let (events, state) = read(&store, &what).await;
        assert!(events.is_empty(), "a tombstoned stream has no events");
        assert!(
            state.tombstoned,
            "a read of a tombstoned stream tells that it was ended"
        );
    }
    assert_eq!(
        log(&store).await,
        others,
        "its events are gone from the log, others are not"
    );
    let state = state_of(&store, STREAM).await;
    assert!(
        state.tombstoned && !state.exists(),
        "a tombstoned stream does not exist"
    );
    assert_eq!(
        state.last,
        Version(5),
        "a tombstoned stream remembers its last version"
    );
}

pub(super) async fn tombstone_is_read_by_who_asks_for_it<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 1).await;
    put_any(&store, STREAM, 3).await;
    truncate(&store, 2).await;
    tombstone(&store, STREAM).await;
    put_any(&store, "account-2", 1).await;
    tombstone(&store, "account-never").await;

    let asked = Query::events::<StreamTombstoned>();
    let (found, reached) = scan(&store, &ReadLog::forward().matching(asked.clone())).await;
    assert_eq!(
        positions(&found),
        [Position(6), Position(8)],
        "each tombstone is read at its position, and no truncation"
    );
    assert_eq!(reached, Position(8), "a read looks at the whole log");
    let ended: Vec<_> = found
        .iter()
        .map(RecordedEvent::decode::<StreamTombstoned>)
        .collect();
    let ended: Vec<_> = ended
        .iter()
        .map(|event| event.as_ref().expect("a tombstone can be read"))
        .map(|event| (event.stream(), event.version()))
        .collect();
    assert_eq!(
        ended,
        [(STREAM, Version(3)), ("account-never", Version::ZERO)],
        "a tombstone tells the stream and its last version"
    );
    assert!(
        found[0].time <= found[1].time && found[0].id != found[1].id,
        "a tombstone has a time and an id"
    );

    let backward = ReadLog::backward().matching(asked.clone()).limit(1);
    let (found, _) = scan(&store, &backward).await;
    assert_eq!(
        positions(&found),
        [Position(8)],
        "a tombstone counts towards a limit"
    );
    let (all, _) = scan(
        &store,
        &ReadLog::forward().matching(Query::all_with_tombstones()),
    )
    .await;
    assert_eq!(
        positions(&all),
        [1, 6, 7, 8].map(Position),
        "tombstones are read in the order of the log"
    );
    let tagged = QueryItem::new().events::<StreamTombstoned>().tag("a:b");
    let (none, _) = scan(&store, &ReadLog::forward().matching(tagged)).await;
    assert!(none.is_empty(), "a tombstone has no tags");

    let after = Place::main(Position(6));
    let condition = AppendCondition {
        query: asked,
        after,
    };
    let ruled_out = to("account-3", Any, events(1)).unless(condition.clone());
    let error = refused(&store, ruled_out).await;
    assert!(
        matches!(
            error,
            AppendError::ConditionFailed { place, .. } if place == Place::main(Position(8))
        ),
        "a condition that names tombstones is told of one, but: {error}"
    );
    let after = Place::main(Position(8));
    put(
        &store,
        to("account-3", Any, events(1)).unless(AppendCondition { after, ..condition }),
    )
    .await;
}

pub(super) async fn name_of_tombstones_is_no_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let name = StreamTombstoned::NAME;
    let error = refused(&store, to(STREAM, Any, [named(name)])).await;
    assert!(
        matches!(
            error,
            AppendError::Store(StoreError::Limit(limits::LimitError::ReservedName { .. }))
        ),
        "an event that is called as tombstones are is refused, but: {error}"
    );
}

pub(super) async fn append_to_a_tombstoned_stream_says_so<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    tombstone(&store, STREAM).await;
    for expected in [Any, NoStream, Exists, Exact(Version(5)), Exact(Version(7))] {
        for count in [0, 1] {
            let error = refused(&store, to(STREAM, expected, events(count))).await;
            says_tombstoned(error, STREAM, 5);
        }
    }
}

pub(super) async fn append_with_one_tombstoned_stream_fails_whole<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    tombstone(&store, STREAM).await;
    let append = to("account-3", Any, events(1)).and(stream(STREAM), Any, events(1));
    says_tombstoned(refused(&store, append).await, STREAM, 5);
    let append = to(STREAM, Any, []).and(stream("account-3"), Any, events(1));
    says_tombstoned(refused(&store, append).await, STREAM, 5);
    holds(&store, "account-3", &[]).await;
}

pub(super) async fn repeat_of_an_append_to_a_stream_tombstoned_since<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for (name, expected) in [(STREAM, NoStream), ("account-2", Any)] {
        let append = to(name, expected, events(2));
        put(&store, append.clone()).await;
        tombstone(&store, name).await;
        says_tombstoned(refused(&store, append).await, name, 2);
    }
}

pub(super) async fn tombstone_of_a_tombstoned_stream_says_so<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    tombstone(&store, STREAM).await;
    for expected in [Any, NoStream, Exact(Version(5))] {
        says_tombstoned(end_refused(&store, expected, true).await, STREAM, 5);
    }
}

pub(super) async fn truncation_of_a_tombstoned_stream_says_so<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    tombstone(&store, STREAM).await;
    says_tombstoned(end_refused(&store, Any, false).await, STREAM, 5);
}

pub(super) async fn tombstone_checks_its_expected_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    end_conflicts(&store, Exists, true, 0).await;
    end_conflicts(&store, Exact(Version(1)), true, 0).await;
    five(&store).await;
    end_conflicts(&store, NoStream, true, 5).await;
    end_conflicts(&store, Exact(Version(4)), true, 5).await;
    let exact = store.tombstone(&stream(STREAM), Exact(Version(5))).await;
    exact.expect("it is as expected");
    store
        .tombstone(&stream("account-2"), Exists)
        .await
        .expect("it is as expected");
    assert!(log(&store).await.is_empty(), "both streams were ended");
}

pub(super) async fn stream_that_never_was_can_be_tombstoned<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    store
        .tombstone(&stream(STREAM), NoStream)
        .await
        .expect("it is as expected");
    assert!(
        state_of(&store, STREAM).await.tombstoned,
        "it was ended before it began"
    );
    says_tombstoned(refused(&store, to(STREAM, Any, events(1))).await, STREAM, 0);
}

pub(super) async fn truncated_stream_can_be_tombstoned<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 4).await;
    tombstone(&store, STREAM).await;
    assert!(
        history(&store, STREAM).await.is_empty(),
        "the rest is gone too"
    );
    says_tombstoned(refused(&store, to(STREAM, Any, events(1))).await, STREAM, 5);
}

pub(super) async fn subscription_does_not_see_what_was_removed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    let others = history(&store, "account-2").await;
    tombstone(&store, STREAM).await;
    let mut follow = store.events(ReadLog::forward()).follow();
    assert_eq!(
        take(&mut follow, 3).await,
        others,
        "only what is left is delivered"
    );
    let more = put_any(&store, "account-2", 1).await;
    assert_same(&take(&mut follow, 1).await, &more);
}
