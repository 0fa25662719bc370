//! Several handles to one store at once, and opening a store again: everything is as it was.

use super::kit::*;
use midgard::DynStore;
use std::pin::pin;
use std::sync::Arc;

pub(super) async fn handles_share_their_events<F: Fixture>(fixture: &F) {
    let (one, other) = (fixture.open(), fixture.open());
    let mut all = put_any(&one, STREAM, 2).await;
    holds(&other, STREAM, &all).await;
    all.extend(put_any(&other, STREAM, 2).await);
    holds(&one, STREAM, &all).await;
    assert_eq!(
        log(&one).await,
        log(&other).await,
        "both handles read the same log"
    );
}

pub(super) async fn handles_share_expected_versions<F: Fixture>(fixture: &F) {
    let (one, other) = (fixture.open(), fixture.open());
    put(&one, to(STREAM, NoStream, events(1))).await;
    conflicts(&other, to(STREAM, NoStream, events(1)), STREAM, 1).await;
    put(&other, to(STREAM, Version(1), events(1))).await;
    conflicts(&one, to(STREAM, Version(1), events(1)), STREAM, 2).await;
}

pub(super) async fn handles_recognise_each_others_appends<F: Fixture>(fixture: &F) {
    let (one, other) = (fixture.open(), fixture.open());
    for (name, expected) in [(STREAM, NoStream), ("account-2", Any)] {
        let append = to(name, expected, events(2));
        let first = put(&one, append.clone()).await;
        assert_eq!(
            put(&other, append).await,
            first,
            "a retry is known to every handle"
        );
    }
    assert_eq!(log(&one).await.len(), 4, "nothing was added");
}

pub(super) async fn append_through_one_handle_wakes_the_other<F: Fixture>(fixture: &F) {
    let (one, other) = (fixture.open(), fixture.open());
    let mut waiting = pin!(one.wait_past(LogId::MAIN, Position::ZERO));
    assert!(is_waiting(waiting.as_mut()).await, "nothing is there yet");
    put_any(&other, STREAM, 1).await;
    waiting.await.expect("a store can be waited for");
}

pub(super) async fn one_handle_goes_on_when_another_is_dropped<F: Fixture>(fixture: &F) {
    let (one, other) = (fixture.open(), fixture.open());
    let mut all = put_any(&one, STREAM, 2).await;
    drop(one);
    all.extend(put_any(&other, STREAM, 2).await);
    holds(&other, STREAM, &all).await;
}

pub(super) async fn fixtures_are_separate<F: Fixture>(fixture: &F) {
    let other = F::new();
    put_any(&fixture.open(), STREAM, 2).await;
    assert!(
        log(&other.open()).await.is_empty(),
        "each fixture is a place of its own"
    );
}

pub(super) async fn shared_store_is_a_store<F: Fixture>(fixture: &F) {
    let shared = Arc::new(fixture.open());
    let all = put_any(&shared, STREAM, 3).await;
    holds(&shared, STREAM, &all).await;
}

pub(super) async fn store_picked_at_run_time_is_the_same_store<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let erased = DynStore::new(fixture.open());
    let mut all = put_any(&store, STREAM, 3).await;
    all.extend(put_any(&erased, STREAM, 3).await);
    holds(&store, STREAM, &all).await;
    holds(&erased.clone(), STREAM, &all).await;
    conflicts(&erased, to(STREAM, Version(3), events(1)), STREAM, 6).await;
    let read = ReadLog::backward().limit(4);
    assert_eq!(
        scan(&erased, &read).await,
        scan(&store, &read).await,
        "it reads the same"
    );
    erased
        .truncate(&stream(STREAM), Version(4), Exists)
        .await
        .expect("it truncates");
    assert_eq!(
        versions(&history(&store, STREAM).await),
        [4, 5, 6],
        "it truncated the same"
    );
    let mut waiting = pin!(erased.wait_past(LogId::MAIN, Position(7)));
    assert!(is_waiting(waiting.as_mut()).await, "it waits as well");
    put_any(&store, STREAM, 1).await;
    waiting.await.expect("a store can be waited for");
    erased
        .tombstone(&stream(STREAM), Any)
        .await
        .expect("it tombstones");
    assert_eq!(
        state_of(&erased, STREAM).await,
        state_of(&store, STREAM).await,
        "the same state"
    );
    let error = refused(&erased, to(STREAM, Any, events(1))).await;
    says_tombstoned(error, STREAM, 7);
}

/// Makes several appends, and returns the log.
async fn fill<F: Fixture>(fixture: &F) -> Vec<RecordedEvent> {
    let store = fixture.open();
    let full = tagged("account.opened", &["owner:ann", "branch:north"])
        .with_metadata(Metadata::new().with_header("user", "ann"));
    put(
        &store,
        to(STREAM, NoStream, [full]).and(stream("account-2"), Any, events(600)),
    )
    .await;
    put_any(&store, STREAM, 3).await;
    log(&store).await
}

pub(super) async fn reopened_store_has_all_events<F: Fixture>(fixture: &F) {
    let before = fill(fixture).await;
    let store = fixture.open();
    assert_list(
        &log(&store).await,
        &before,
        "what was appended is there when it is opened again",
    );
    assert_eq!(
        history(&store, "account-2").await,
        before[1..601],
        "also by its stream"
    );
}

pub(super) async fn reopened_store_goes_on_with_versions_and_positions<F: Fixture>(fixture: &F) {
    let before = fill(fixture).await;
    let store = fixture.open();
    let end = before.last().expect("it was filled").position;
    assert_eq!(
        last_position(&store).await,
        end,
        "the log ends where it ended"
    );
    assert_eq!(
        state_of(&store, STREAM).await.last,
        Version(4),
        "streams have their versions"
    );
    conflicts(&store, to(STREAM, NoStream, events(1)), STREAM, 4).await;
    let appended = put(&store, to(STREAM, Version(4), events(1))).await;
    assert_eq!(appended.version(), Version(5), "versions go on");
    assert_eq!(appended.position, Some(end.next()), "positions go on");
    assert!(
        log(&store).await.starts_with(&before),
        "what was there stays as it was"
    );
}

pub(super) async fn reopened_store_recognises_a_retry_with_exact<F: Fixture>(fixture: &F) {
    let append = to(STREAM, Version(4), events(2));
    recognises_a_retry(fixture, append).await;
}

pub(super) async fn reopened_store_recognises_a_retry_with_any<F: Fixture>(fixture: &F) {
    let append = to(STREAM, Any, events(2)).and(stream("account-3"), Any, events(1));
    recognises_a_retry(fixture, append).await;
}

async fn recognises_a_retry<F: Fixture>(fixture: &F, append: Append) {
    fill(fixture).await;
    let first = put(&fixture.open(), append.clone()).await;
    put_any(&fixture.open(), STREAM, 1).await;
    let again = put(&fixture.open(), append).await;
    assert_eq!(
        again, first,
        "a retry is recognised after the store was opened again"
    );
}

pub(super) async fn reopened_store_remembers_endings<F: Fixture>(fixture: &F) {
    fill(fixture).await;
    let store = fixture.open();
    store
        .truncate(&stream("account-2"), Version(600), Any)
        .await
        .expect("it truncates");
    store
        .truncate(&stream("account-3"), Version(1), Any)
        .await
        .expect("it truncates");
    store
        .tombstone(&stream(STREAM), Any)
        .await
        .expect("it tombstones");
    let before = log(&store).await;
    drop(store);
    let store = fixture.open();
    assert_list(
        &log(&store).await,
        &before,
        "what was removed does not come back",
    );
    assert_eq!(
        versions(&history(&store, "account-2").await),
        [600],
        "a truncation is kept"
    );
    says_tombstoned(refused(&store, to(STREAM, Any, events(1))).await, STREAM, 4);
    let appended = put(&store, to("account-2", Version(600), events(1))).await;
    assert_eq!(
        appended.position,
        Some(Position(607)),
        "positions are never used again"
    );
}

pub(super) async fn reopened_store_never_uses_positions_again<F: Fixture>(fixture: &F) {
    put_any(&fixture.open(), STREAM, 3).await;
    fixture
        .open()
        .tombstone(&stream(STREAM), Any)
        .await
        .expect("it tombstones");
    let store = fixture.open();
    assert_eq!(
        last_position(&store).await,
        Position(4),
        "the log ends where it ended"
    );
    let appended = put(&store, to("account-2", Any, events(1))).await;
    assert_eq!(
        appended.position,
        Some(Position(5)),
        "positions are never used again"
    );
}

pub(super) async fn reopened_store_finds_by_query<F: Fixture>(fixture: &F) {
    fill(fixture).await;
    let store = fixture.open();
    let found = matching(
        &store,
        QueryItem::new().tag("owner:ann").tag("branch:north"),
    )
    .await;
    assert_eq!(positions(&found), [Position(1)], "tags can be asked for");
    let found = matching(&store, QueryItem::new().name("account.changed")).await;
    assert_eq!(found.len(), 603, "names can be asked for");
    let condition = AppendCondition {
        query: QueryItem::new().tag("owner:ann").into(),
        after: Place::START,
    };
    condition_fails(
        &store,
        to("account-3", Any, events(1)).unless(condition),
        Position(1),
    )
    .await;
}

pub(super) async fn store_opened_many_times<F: Fixture>(fixture: &F) {
    let mut all = Vec::new();
    for round in 0..10 {
        let store = fixture.open();
        let more = events(2);
        put(&store, to(STREAM, Version(2 * round), more.clone())).await;
        all.extend(more);
        assert_same(&history(&store, STREAM).await, &all);
    }
}
