//! Truncation: the events of a stream before a version are removed.
//!
//! JasperFx's compacting is a snapshot and a truncation; the snapshot is the repository's.

use super::endings::*;
use super::kit::*;

/// Asserts that the stream has the versions from `first` to `last`, in every kind of read.
async fn begins_at(store: &impl Store, first: u64, last: u64) {
    let wanted: Vec<_> = (first..=last).collect();
    let (events, state) = read(store, &ReadStream::forward(stream(STREAM))).await;
    assert_eq!(
        versions(&events),
        wanted,
        "a truncated stream begins at its first version"
    );
    let (mut backward, _) = read(store, &ReadStream::backward(stream(STREAM))).await;
    backward.reverse();
    assert_eq!(backward, events, "a truncated stream is the same backward");
    let mut logged = log(store).await;
    logged.retain(|event| event.stream.as_str() == STREAM);
    assert_eq!(
        logged, events,
        "what was truncated is gone from the log too"
    );
    let wanted = StreamState {
        first: Version(first),
        last: Version(last),
        tombstoned: false,
    };
    assert_eq!(
        state, wanted,
        "a truncated stream tells its first and last versions"
    );
    assert_eq!(
        state_of(store, STREAM).await,
        wanted,
        "a read tells the same state"
    );
}

pub(super) async fn truncated_stream_begins_later<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = five(&store).await;
    truncate(&store, 3).await;
    begins_at(&store, 3, 5).await;
    assert_same(&history(&store, STREAM).await, &all[2..]);
}

pub(super) async fn truncation_before_the_first_version_changes_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    for before in [0, 1] {
        truncate(&store, before).await;
        begins_at(&store, 1, 5).await;
    }
}

pub(super) async fn truncation_of_all_but_the_last<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 5).await;
    begins_at(&store, 5, 5).await;
}

pub(super) async fn truncation_beyond_the_end_leaves_no_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    for before in [6, 7, u64::MAX] {
        truncate(&store, before).await;
        begins_at(&store, 6, 5).await;
    }
}

pub(super) async fn versions_go_on_after_a_truncation<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 3).await;
    let appended = put(&store, to(STREAM, Version(5), events(2))).await;
    assert_eq!(
        appended.version(),
        Version(7),
        "versions go on after a truncation"
    );
    begins_at(&store, 3, 7).await;
}

pub(super) async fn versions_never_restart_after_all_was_truncated<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 6).await;
    conflicts(&store, to(STREAM, NoStream, events(1)), STREAM, 5).await;
    let appended = put(&store, to(STREAM, Exists, events(1))).await;
    assert_eq!(appended.version(), Version(6), "versions never restart");
    begins_at(&store, 6, 6).await;
}

pub(super) async fn truncation_twice<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 2).await;
    begins_at(&store, 2, 5).await;
    truncate(&store, 4).await;
    begins_at(&store, 4, 5).await;
    truncate(&store, 4).await;
    begins_at(&store, 4, 5).await;
}

pub(super) async fn truncation_before_an_earlier_version_brings_nothing_back<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 4).await;
    truncate(&store, 2).await;
    begins_at(&store, 4, 5).await;
}

pub(super) async fn truncation_of_an_unknown_stream_does_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    truncate(&store, 5).await;
    assert_eq!(
        state_of(&store, STREAM).await,
        StreamState::NONE,
        "it still does not exist"
    );
    let all = events(2);
    put(&store, to(STREAM, NoStream, all.clone())).await;
    holds(&store, STREAM, &all).await;
}

pub(super) async fn truncation_leaves_other_streams_alone<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    let before = history(&store, "account-2").await;
    truncate(&store, 6).await;
    assert_eq!(
        history(&store, "account-2").await,
        before,
        "other streams are as they were"
    );
    assert_eq!(log(&store).await, before, "the log has what is left");
}

pub(super) async fn truncation_checks_its_expected_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    end_conflicts(&store, Exists, false, 0).await;
    five(&store).await;
    end_conflicts(&store, NoStream, false, 5).await;
    end_conflicts(&store, Exact(Version(4)), false, 5).await;
    let name = stream(STREAM);
    store
        .truncate(&name, Version(2), Exact(Version(5)))
        .await
        .expect("it is as expected");
    store
        .truncate(&name, Version(3), Exists)
        .await
        .expect("it is as expected");
    begins_at(&store, 3, 5).await;
}

pub(super) async fn reads_of_a_truncated_stream_from_any_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    five(&store).await;
    truncate(&store, 3).await;
    for from in 0..=6 {
        let what = ReadStream::forward(stream(STREAM))
            .from(Version(from))
            .limit(2);
        let wanted: Vec<_> = (from.max(3)..=5).take(2).collect();
        assert_eq!(
            versions(&read(&store, &what).await.0),
            wanted,
            "forward from {from}"
        );
        let what = ReadStream::backward(stream(STREAM))
            .from(Version(from))
            .limit(2);
        let wanted: Vec<_> = (3..=from.min(5)).rev().take(2).collect();
        assert_eq!(
            versions(&read(&store, &what).await.0),
            wanted,
            "backward from {from}"
        );
    }
    let streamed = rest(store.stream_events(ReadStream::backward(stream(STREAM)))).await;
    assert_eq!(versions(&streamed), [5, 4, 3], "as a stream of events too");
}

pub(super) async fn queries_do_not_find_what_was_truncated<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = ["key:1", "key:2", "key:3"].map(|tag| tagged("some.event", &[tag, "key:all"]));
    put(&store, to(STREAM, Any, all)).await;
    truncate(&store, 3).await;
    let found = |tag: &'static str| matching(&store, QueryItem::new().tag(tag));
    assert_eq!(
        found("key:1").await.len(),
        0,
        "what was truncated is not found"
    );
    assert_eq!(found("key:3").await.len(), 1, "what is left is found");
    assert_eq!(
        versions(&found("key:all").await),
        [3],
        "what is left is found"
    );
    let by_name = matching(&store, QueryItem::new().name("some.event")).await;
    assert_eq!(versions(&by_name), [3], "by its name too");
}

pub(super) async fn idempotent_repeat_of_what_a_truncation_left<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    let append = to(STREAM, Version(3), events(2));
    let first = put(&store, append.clone()).await;
    truncate(&store, 4).await;
    assert_eq!(
        put(&store, append).await,
        first,
        "what is left is recognised by version"
    );
    begins_at(&store, 4, 5).await;
}
