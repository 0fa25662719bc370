//! One append over several streams: all of it, or nothing.
//!
//! KurrentDB's cases of soft deletion and undeletion have no counterpart: an ended stream stays ended (see
//! `endings`). Its stream indexes are the parts of an [`Append`] here.

use super::kit::*;

const OTHER: &str = "account-2";
const THIRD: &str = "account-3";

pub(super) async fn append_to_several_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (first, second) = (events(2), events(3));
    let append = to(STREAM, NoStream, first.clone()).and(stream(OTHER), NoStream, second.clone());
    let appended = put(&store, append).await;
    assert_eq!(
        appended.versions,
        [Version(2), Version(3)],
        "each part has its last version"
    );
    assert_eq!(
        appended.position,
        Some(Position(5)),
        "the position is that of the last event"
    );
    holds(&store, STREAM, &first).await;
    holds(&store, OTHER, &second).await;
}

pub(super) async fn events_of_several_streams_stand_in_the_order_of_the_parts<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    let append = to(STREAM, Any, events(2))
        .and(stream(OTHER), Any, events(2))
        .and(stream(STREAM), Any, events(1))
        .and(stream(THIRD), Any, events(1));
    put(&store, append.clone()).await;
    let appended: Vec<_> = append.events().cloned().collect();
    assert_same(&log(&store).await, &appended);
}

pub(super) async fn same_stream_before_and_after_another<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, NoStream, events(1))
        .and(stream(OTHER), NoStream, events(1))
        .and(stream(STREAM), Version(1), events(2));
    let appended = put(&store, append).await;
    assert_eq!(
        appended.versions,
        [Version(1), Version(1), Version(3)],
        "a part goes on where an earlier part left its stream"
    );
    assert_eq!(
        versions(&history(&store, STREAM).await),
        [1, 2, 3],
        "versions go on"
    );
}

pub(super) async fn later_part_sees_what_an_earlier_one_left<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let twice = |expected| to(STREAM, NoStream, events(2)).and(stream(STREAM), expected, events(1));
    conflicts(&store, twice(NoStream), STREAM, 2).await;
    conflicts(&store, twice(Exact(Version(1))), STREAM, 2).await;
    let appended = put(&store, twice(Exists)).await;
    assert_eq!(
        appended.versions,
        [Version(2), Version(3)],
        "the stream exists for the later part"
    );
}

pub(super) async fn several_parts_of_one_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = (0..5).fold(Append::default(), |append, part| {
        append.and(stream(STREAM), Version(part * 2), events(2))
    });
    let all: Vec<_> = append.events().cloned().collect();
    put(&store, append).await;
    holds(&store, STREAM, &all).await;
}

pub(super) async fn many_interleaved_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut append = Append::default();
    for round in 0..10 {
        for index in 0..50 {
            let name = stream(&format!("account-{index}"));
            append = append.and(name, Version(round), events(1));
        }
    }
    put(&store, append.clone()).await;
    for index in 0..50 {
        let name = format!("account-{index}");
        let of_stream = append
            .parts()
            .iter()
            .filter(|part| part.stream.as_str() == name);
        let wanted: Vec<_> = of_stream.flat_map(|part| part.events.clone()).collect();
        assert_same(&history(&store, &name).await, &wanted);
    }
}

pub(super) async fn repeated_appends_to_several_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for round in 0..10 {
        let version = Version(round);
        let append = to(STREAM, version, events(1)).and(stream(OTHER), version, events(1));
        let appended = put(&store, append).await;
        assert_eq!(
            appended.versions,
            [version.next(); 2],
            "both streams go on together"
        );
    }
    assert_eq!(
        log(&store).await.len(),
        20,
        "all events of all appends are there"
    );
}

pub(super) async fn exact_versions_of_several_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    put_any(&store, OTHER, 5).await;
    let append = to(STREAM, Version(2), events(1))
        .and(stream(OTHER), Version(5), events(2))
        .and(stream(THIRD), Version::ZERO, events(3));
    let appended = put(&store, append).await;
    assert_eq!(
        appended.versions,
        [Version(3), Version(7), Version(3)],
        "each stream goes on"
    );
}

/// Asserts that no part is appended, whichever part is not as expected.
async fn one_wrong_part(store: &impl Store, wrong: (&str, midgard::store::ExpectedVersion, u64)) {
    let (name, expected, actual) = wrong;
    let good = [
        ("good-1", NoStream),
        ("good-2", Any),
        ("good-3", Exact(Version::ZERO)),
    ];
    for at in 0..=good.len() {
        let mut append = Append::default();
        for (index, (other, fine)) in good.into_iter().enumerate() {
            if index == at {
                append = append.and(stream(name), expected, events(2));
            }
            append = append.and(stream(other), fine, events(2));
        }
        if at == good.len() {
            append = append.and(stream(name), expected, events(2));
        }
        conflicts(store, append, name, actual).await;
    }
}

pub(super) async fn one_wrong_exact_version_fails_all_parts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    one_wrong_part(&store, (STREAM, Exact(Version(2)), 3)).await;
}

pub(super) async fn one_missing_stream_fails_all_parts<F: Fixture>(fixture: &F) {
    one_wrong_part(&fixture.open(), (STREAM, Exists, 0)).await;
}

pub(super) async fn one_existing_stream_fails_all_parts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    one_wrong_part(&store, (STREAM, NoStream, 3)).await;
}

pub(super) async fn part_without_events_only_checks<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, OTHER, 4).await;
    let append = to(STREAM, NoStream, events(1))
        .and(stream(OTHER), Version(4), [])
        .and(stream(THIRD), NoStream, events(1));
    let appended = put(&store, append).await;
    assert_eq!(
        appended.versions,
        [Version(1), Version(4), Version(1)],
        "a part that only checks answers with the version it found"
    );
    assert_eq!(
        state_of(&store, OTHER).await.last,
        Version(4),
        "checking a stream adds nothing"
    );
}

pub(super) async fn part_without_events_that_fails_fails_all<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, OTHER, 4).await;
    let append = |expected| {
        to(STREAM, NoStream, events(1))
            .and(stream(OTHER), expected, [])
            .and(stream(THIRD), NoStream, events(1))
    };
    conflicts(&store, append(NoStream), OTHER, 4).await;
    conflicts(&store, append(Exact(Version(3))), OTHER, 4).await;
}

pub(super) async fn several_parts_that_only_check<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    let append = |missing| {
        to(STREAM, Version(2), [])
            .and(stream(OTHER), NoStream, [])
            .and(stream(THIRD), missing, [])
    };
    let appended = put(&store, append(NoStream)).await;
    assert_eq!(
        appended.position, None,
        "an append without events has no position"
    );
    assert_eq!(
        appended.versions,
        [Version(2), Version(0), Version(0)],
        "what was found"
    );
    conflicts(&store, append(Exists), THIRD, 0).await;
}

pub(super) async fn check_of_a_stream_that_an_earlier_part_writes<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = |expected| to(STREAM, NoStream, events(2)).and(stream(STREAM), expected, []);
    conflicts(&store, append(NoStream), STREAM, 2).await;
    let appended = put(&store, append(Exact(Version(2)))).await;
    assert_eq!(
        appended.versions,
        [Version(2); 2],
        "the check sees what the append itself adds"
    );
}

pub(super) async fn idempotent_repeat_over_several_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, THIRD, 2).await;
    for expected in [NoStream, Any] {
        let name = format!("account-{expected:?}");
        let append = to(&name, expected, events(2))
            .and(stream(THIRD), Exists, events(1))
            .and(stream(&name), Version(2), events(1));
        let first = put(&store, append.clone()).await;
        put_any(&store, &name, 1).await;
        let before = log(&store).await;
        assert_eq!(
            put(&store, append).await,
            first,
            "a retry gets the first answer"
        );
        assert_list(&log(&store).await, &before, "a retry adds nothing");
    }
}

pub(super) async fn idempotent_repeat_with_a_check_that_no_longer_holds<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, NoStream, []).and(stream(OTHER), NoStream, events(2));
    let first = put(&store, append.clone()).await;
    put_any(&store, STREAM, 1).await;
    assert_eq!(
        put(&store, append).await,
        first,
        "a retry gets the first answer, whatever became of the streams since"
    );
}

pub(super) async fn append_of_which_one_stream_is_known_conflicts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let known = events(1);
    put(&store, to(STREAM, NoStream, known.clone())).await;
    let new = events(1);
    for expected in [NoStream, Any] {
        let append = to(STREAM, expected, known.clone()).and(stream(OTHER), expected, new.clone());
        conflicts(&store, append, STREAM, 1).await;
        let append = to(OTHER, expected, new.clone()).and(stream(STREAM), expected, known.clone());
        conflicts(&store, append, STREAM, 1).await;
    }
}

pub(super) async fn events_swapped_between_streams_are_no_retry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (first, second) = (events(1), events(1));
    put(
        &store,
        to(STREAM, NoStream, first.clone()).and(stream(OTHER), NoStream, second.clone()),
    )
    .await;
    let swapped = to(STREAM, NoStream, second).and(stream(OTHER), NoStream, first);
    conflicts(&store, swapped, STREAM, 1).await;
}
