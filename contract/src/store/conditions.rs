//! Appends with a condition: no event that matches a query after a position.
//!
//! UmaDB tracks positions of other systems, which entries do here. `boundaries.rs` lists which case is which of UmaDB's
//! and dcb-eventstore's.

use super::kit::*;
use midgard::store::EntryWrite;

pub(super) fn unless(query: impl Into<Query>, after: Position) -> AppendCondition {
    AppendCondition {
        query: query.into(),
        after: Place::main(after),
    }
}

pub(super) fn tag(tag: &str) -> QueryItem {
    QueryItem::new().tag(tag)
}

pub(super) fn taken(email: &str) -> NewEvent {
    tagged("user.created", &[&format!("email:{email}")])
}

/// Returns an append of a new stream for the owner of an address, if nobody has it yet.
fn claim(name: &str, email: &str) -> Append {
    to(name, NoStream, [taken(email)])
        .unless(unless(tag(&format!("email:{email}")), Position::ZERO))
}

pub(super) async fn condition_on_an_unknown_log_is_an_error<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let unknown = LogId(u32::MAX);
    let condition = AppendCondition {
        query: tag("email:ann@x.org").into(),
        after: Place::new(unknown, Position::ZERO),
    };
    let append = to("user-1", NoStream, [taken("ann@x.org")]).unless(condition);
    let error = refused(&store, append).await;
    assert!(
        matches!(&error, AppendError::Store(StoreError::UnknownLog { log, .. }) if *log == unknown),
        "a condition on a log that does not exist is an error that names it, and not: {error}"
    );
}

pub(super) async fn condition_holds_when_nothing_matches<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 3).await;
    let append = claim(STREAM, "ann@x.org");
    put(&store, append.clone()).await;
    assert_same(&history(&store, STREAM).await, &append.parts()[0].events);
}

pub(super) async fn condition_holds_in_an_empty_store<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(
        &store,
        to(STREAM, Any, events(1)).unless(unless(Query::all(), Position::ZERO)),
    )
    .await;
}

pub(super) async fn condition_fails_when_an_event_matches<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 3).await;
    put(&store, claim("user-1", "ann@x.org")).await;
    condition_fails(&store, claim("user-2", "ann@x.org"), Position(4)).await;
    put(&store, claim("user-2", "bob@x.org")).await;
}

pub(super) async fn condition_fails_when_any_event_is_there_and_none_was_expected<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    let append = to("account-2", Any, events(1)).unless(unless(Query::all(), Position::ZERO));
    condition_fails(&store, append, Position(1)).await;
}

pub(super) async fn condition_holds_when_all_that_matches_was_seen<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, claim("user-1", "ann@x.org")).await;
    put_any(&store, "account-2", 2).await;
    for after in [1, 2, 3, 1000] {
        let append = to(&format!("user-{}", after + 10), Any, events(1));
        put(
            &store,
            append.unless(unless(tag("email:ann@x.org"), Position(after))),
        )
        .await;
    }
    let append = to("user-5", Any, events(1));
    put(&store, append.unless(unless(Query::all(), Position::MAX))).await;
}

pub(super) async fn condition_fails_when_one_more_came<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(
        &store,
        to(
            STREAM,
            Any,
            [taken("a"), taken("a"), taken("b"), taken("a")],
        ),
    )
    .await;
    let append =
        |after| to("user-2", Any, events(1)).unless(unless(tag("email:a"), Position(after)));
    condition_fails(&store, append(0), Position(1)).await;
    condition_fails(&store, append(1), Position(2)).await;
    condition_fails(&store, append(2), Position(4)).await;
    condition_fails(&store, append(3), Position(4)).await;
    put(&store, append(4)).await;
}

pub(super) async fn condition_by_name<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(
        &store,
        to(STREAM, Any, [named("shop.opened"), named("shop.closed")]),
    )
    .await;
    let append = |name: &str, after| {
        let item = QueryItem::new().name(name);
        to("shop-2", Any, events(1)).unless(unless(item, Position(after)))
    };
    condition_fails(&store, append("shop.closed", 0), Position(2)).await;
    condition_fails(&store, append("shop.opened", 0), Position(1)).await;
    put(&store, append("shop.opened", 1)).await;
    put(&store, append("shop.moved", 0)).await;
}

pub(super) async fn condition_by_all_tags_of_an_item<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(
        &store,
        to(STREAM, Any, [tagged("seat.taken", &["row:1", "seat:1"])]),
    )
    .await;
    let append = |seat| {
        let item = tag("row:1").tag(seat);
        to("seats-2", Any, events(1)).unless(unless(item, Position::ZERO))
    };
    condition_fails(&store, append("seat:1"), Position(1)).await;
    put(&store, append("seat:2")).await;
}

pub(super) async fn condition_by_any_of_its_items<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, Any, [taken("a"), taken("b")])).await;
    let append = |one: &str, other: &str| {
        let query = Query::all().or(tag(one)).or(tag(other));
        to("user-2", Any, events(1)).unless(unless(query, Position::ZERO))
    };
    condition_fails(&store, append("email:x", "email:b"), Position(2)).await;
    condition_fails(&store, append("email:b", "email:a"), Position(1)).await;
    put(&store, append("email:x", "email:y")).await;
}

pub(super) async fn condition_looks_at_all_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to("far-away", Any, [taken("a")])).await;
    condition_fails(&store, claim(STREAM, "a"), Position(1)).await;
}

pub(super) async fn condition_does_not_look_at_its_own_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, Any, [taken("a"), taken("a")]).and(stream("user-2"), Any, [taken("a")]);
    put(
        &store,
        append.unless(unless(tag("email:a"), Position::ZERO)),
    )
    .await;
    assert_eq!(
        log(&store).await.len(),
        3,
        "an append does not stand against itself"
    );
}

pub(super) async fn condition_that_fails_leaves_nothing_behind<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, Any, [taken("a")])).await;
    let append = to("user-2", NoStream, events(3))
        .and(stream("user-3"), NoStream, events(3))
        .unless(unless(tag("email:a"), Position::ZERO));
    condition_fails(&store, append, Position(1)).await;
    holds(&store, "user-2", &[]).await;
    holds(&store, "user-3", &[]).await;
}

pub(super) async fn condition_of_an_append_without_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = || to(STREAM, Any, []).unless(unless(tag("email:a"), Position::ZERO));
    put(&store, append()).await;
    put(&store, to("user-2", Any, [taken("a")])).await;
    condition_fails(&store, append(), Position(1)).await;
    let bare = Append::default().unless(unless(tag("email:a"), Position::ZERO));
    condition_fails(&store, bare, Position(1)).await;
}

pub(super) async fn condition_and_expected_version_both_count<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, Any, [taken("a")])).await;
    let append = |version, email: &str| {
        let condition = unless(tag(email), Position::ZERO);
        to(STREAM, Version(version), events(1)).unless(condition)
    };
    conflicts(&store, append(5, "email:b"), STREAM, 1).await;
    condition_fails(&store, append(1, "email:a"), Position(1)).await;
    put(&store, append(1, "email:b")).await;
}

pub(super) async fn idempotent_repeat_of_a_conditional_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for (name, expected) in [("user-1", NoStream), ("user-2", Any)] {
        let email = format!("email:{name}");
        let condition = unless(tag(&email), Position::ZERO);
        let append = to(name, expected, [tagged("user.created", &[&email])]).unless(condition);
        let first = put(&store, append.clone()).await;
        let again = put(&store, append).await;
        assert_eq!(
            again, first,
            "a retry is not held up by the events it appended itself"
        );
    }
    assert_eq!(log(&store).await.len(), 2, "a retry adds nothing");
}

pub(super) async fn condition_with_a_position_read_before<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let query = || Query::from(tag("course:c1"));
    let subscribe = || tagged("student.subscribed", &["course:c1"]);
    for _ in 0..3 {
        let (_, seen) = scan(&store, &ReadLog::forward().matching(query())).await;
        put(
            &store,
            to(STREAM, Any, [subscribe()]).unless(unless(query(), seen)),
        )
        .await;
        // Every decision on the same reading comes too late.
        let late = to("account-2", Any, [subscribe()]).unless(unless(query(), seen));
        condition_fails(&store, late, seen.next()).await;
    }
}

pub(super) async fn condition_does_not_see_events_that_were_removed<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, claim("user-1", "ann@x.org")).await;
    condition_fails(&store, claim("user-2", "ann@x.org"), Position(1)).await;
    store
        .tombstone(&stream("user-1"), Any)
        .await
        .expect("a stream can be tombstoned");
    put(&store, claim("user-2", "ann@x.org")).await;
}

pub(super) async fn mixed_conditions_one_after_another<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, claim("user-1", "a")).await;
    condition_fails(&store, claim("user-2", "a"), Position(1)).await;
    put(&store, claim("user-2", "b")).await;
    condition_fails(&store, claim("user-3", "b"), Position(2)).await;
    put_any(&store, "user-3", 1).await;
    conflicts(&store, claim("user-3", "c"), "user-3", 1).await;
    put(&store, claim("user-4", "c")).await;
    assert_eq!(
        log(&store).await.len(),
        4,
        "those that failed left nothing behind"
    );
}

/// All of it after one another: what is read, and what may be appended after that.
pub(super) async fn decisions_from_an_empty_store_on<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let name = || QueryItem::new().name("seat.taken");
    let read = ReadLog::forward().matching(name());
    assert_eq!(scan(&store, &read).await, (Vec::new(), Position::ZERO));
    let take = |seat: &str, after| {
        let seat = format!("seat:{seat}");
        let condition = unless(name().tag(&seat), after);
        to(STREAM, Any, [tagged("seat.taken", &[&seat])]).unless(condition)
    };
    put(&store, take("1", Position::ZERO)).await;
    put(&store, take("2", Position::ZERO)).await;
    let (seats, end) = scan(&store, &read).await;
    assert_eq!(positions(&seats), [Position(1), Position(2)]);
    condition_fails(&store, take("1", Position::ZERO), Position(1)).await;
    condition_fails(&store, take("2", Position(1)), Position(2)).await;
    assert_eq!(
        last_position(&store).await,
        end,
        "a refused append adds nothing"
    );
    put(&store, take("1", end)).await;
    let later = read.after(end);
    assert_eq!(positions(&scan(&store, &later).await.0), [Position(3)]);
    let again = QueryItem::new().tag("seat:1");
    assert_eq!(matching(&store, again).await.len(), 2);
}

/// The position up to which another system was followed is an entry that the append expects and moves.
pub(super) async fn tracked_position_moves_with_its_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let key = b"tracked/upstream";
    let follow = |name: &str, email: &str, from: Option<&[u8]>, until: &[u8]| {
        let tracked = EntryWrite::new().expect(key, from).put(key, until);
        claim(name, email).with_entries(tracked)
    };
    put(&store, follow("user-1", "a", None, b"1")).await;
    put(&store, follow("user-2", "b", Some(b"1"), b"7")).await;
    for from in [None, Some(&b"1"[..])] {
        let error = refused(&store, follow("user-3", "c", from, b"2")).await;
        assert!(
            matches!(&error, AppendError::EntryChanged { key: changed } if changed == key),
            "what was followed already is not followed again, and not: {error}"
        );
    }
    // A condition that fails moves nothing.
    let append = follow("user-3", "a", Some(b"7"), b"9");
    condition_fails(&store, append, Position(1)).await;
    put(&store, follow("user-3", "c", Some(b"7"), b"9")).await;
    assert_eq!(log(&store).await.len(), 3, "one event for each position");
}
