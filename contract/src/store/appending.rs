//! Appending to one stream: expected versions, numbering, atomicity.
//!
//! KurrentDB's chunk sizes have no counterpart (no limit here depends on a file's layout), nor have its metadata
//! streams and soft deletion: besides events, a stream has its first version and whether it was tombstoned.

use super::kit::*;

pub(super) async fn appended_events_can_be_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let appended = put_any(&store, STREAM, 3).await;
    holds(&store, STREAM, &appended).await;
}

pub(super) async fn append_any_creates_a_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let one = event();
    let appended = put(&store, to(STREAM, Any, [one.clone()])).await;
    assert_eq!(
        appended.version(),
        Version(1),
        "the first event of a stream has version 1"
    );
    holds(&store, STREAM, &[one]).await;
}

pub(super) async fn append_any_to_an_existing_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = put_any(&store, STREAM, 2).await;
    let more = events(2);
    let appended = put(&store, to(STREAM, Any, more.clone())).await;
    assert_eq!(
        appended.version(),
        Version(4),
        "an append goes on after the last version"
    );
    all.extend(more);
    holds(&store, STREAM, &all).await;
}

pub(super) async fn append_no_stream_creates_a_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = events(2);
    let appended = put(&store, to(STREAM, NoStream, all.clone())).await;
    assert_eq!(
        appended.version(),
        Version(2),
        "an append answers with the last version"
    );
    holds(&store, STREAM, &all).await;
}

pub(super) async fn append_no_stream_fails_when_the_stream_exists<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = put_any(&store, STREAM, 2).await;
    conflicts(&store, to(STREAM, NoStream, [event()]), STREAM, 2).await;
    holds(&store, STREAM, &all).await;
}

pub(super) async fn append_exists_to_an_existing_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = put_any(&store, STREAM, 1).await;
    all.push(event());
    put(&store, to(STREAM, Exists, [all[1].clone()])).await;
    holds(&store, STREAM, &all).await;
}

pub(super) async fn append_exists_to_a_stream_of_several_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = put_any(&store, STREAM, 7).await;
    let more = events(3);
    let appended = put(&store, to(STREAM, Exists, more.clone())).await;
    assert_eq!(
        appended.version(),
        Version(10),
        "an append goes on after the last version"
    );
    all.extend(more);
    holds(&store, STREAM, &all).await;
}

pub(super) async fn append_exists_fails_when_there_is_no_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    conflicts(&store, to(STREAM, Exists, [event()]), STREAM, 0).await;
    holds(&store, STREAM, &[]).await;
}

pub(super) async fn append_at_the_exact_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = events(5);
    for (version, one) in all.iter().enumerate() {
        let expected = Version(version as u64);
        let appended = put(&store, to(STREAM, expected, [one.clone()])).await;
        assert_eq!(
            appended.version(),
            expected.next(),
            "one event is one version"
        );
    }
    holds(&store, STREAM, &all).await;
}

pub(super) async fn exact_version_zero_means_no_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, Exact(Version::ZERO), events(1))).await;
    conflicts(
        &store,
        to(STREAM, Exact(Version::ZERO), events(1)),
        STREAM,
        1,
    )
    .await;
}

pub(super) async fn wrong_version_fails_when_there_is_no_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    conflicts(&store, to(STREAM, Version(1), [event()]), STREAM, 0).await;
    holds(&store, STREAM, &[]).await;
}

pub(super) async fn version_too_low_fails<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = put_any(&store, STREAM, 3).await;
    for version in [0, 1, 2] {
        conflicts(&store, to(STREAM, Version(version), [event()]), STREAM, 3).await;
    }
    holds(&store, STREAM, &all).await;
}

pub(super) async fn version_too_high_fails<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = put_any(&store, STREAM, 3).await;
    for version in [4, 5, 1000] {
        conflicts(&store, to(STREAM, Version(version), [event()]), STREAM, 3).await;
    }
    holds(&store, STREAM, &all).await;
}

pub(super) async fn highest_version_there_can_be_fails<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    conflicts(&store, to(STREAM, Version::MAX, [event()]), STREAM, 0).await;
    put_any(&store, STREAM, 1).await;
    conflicts(&store, to(STREAM, Version::MAX, [event()]), STREAM, 1).await;
    conflicts(
        &store,
        to(STREAM, Version::MAX.previous(), [event()]),
        STREAM,
        1,
    )
    .await;
}

pub(super) async fn refused_append_leaves_nothing_behind<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = put_any(&store, STREAM, 2).await;
    conflicts(&store, to(STREAM, Version(1), events(10)), STREAM, 2).await;
    conflicts(&store, to("account-2", Exists, events(10)), "account-2", 0).await;
    holds(&store, STREAM, &all).await;
    holds(&store, "account-2", &[]).await;
}

pub(super) async fn append_goes_through_after_a_refused_one<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 2).await;
    let more = events(2);
    conflicts(&store, to(STREAM, Version(1), more.clone()), STREAM, 2).await;
    let appended = put(&store, to(STREAM, Version(2), more)).await;
    assert_eq!(
        appended.version(),
        Version(4),
        "the same events may be tried again"
    );
}

pub(super) async fn append_of_no_events_changes_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for expected in [Any, NoStream, Exact(Version::ZERO)] {
        let appended = put(&store, to(STREAM, expected, [])).await;
        assert_eq!(
            appended.version(),
            Version::ZERO,
            "no events make no version"
        );
    }
    assert_eq!(
        last_position(&store).await,
        Position::ZERO,
        "no events take no position"
    );
    let all = put_any(&store, STREAM, 2).await;
    for expected in [Any, Exists, Exact(Version(2))] {
        let appended = put(&store, to(STREAM, expected, [])).await;
        assert_eq!(
            appended.version(),
            Version(2),
            "an empty part answers with the last version"
        );
    }
    holds(&store, STREAM, &all).await;
}

pub(super) async fn append_of_no_events_checks_its_expectation<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    conflicts(&store, to(STREAM, Exists, []), STREAM, 0).await;
    conflicts(&store, to(STREAM, Version(1), []), STREAM, 0).await;
    put_any(&store, STREAM, 2).await;
    conflicts(&store, to(STREAM, NoStream, []), STREAM, 2).await;
    conflicts(&store, to(STREAM, Version(1), []), STREAM, 2).await;
}

pub(super) async fn append_without_parts_does_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let appended = put(&store, Append::default()).await;
    assert_eq!(
        appended.version(),
        Version::ZERO,
        "an append without parts has no version"
    );
    assert_eq!(
        last_position(&store).await,
        Position::ZERO,
        "it takes no position"
    );
}

pub(super) async fn append_answers_with_position_and_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for (name, count) in [(STREAM, 1), ("account-2", 3), (STREAM, 2)] {
        let appended = put(&store, to(name, Any, events(count))).await;
        let last = history(&store, name).await.pop().expect("it was appended");
        assert_eq!(
            appended.position,
            Some(last.position),
            "the answer has the last position"
        );
        assert_eq!(
            appended.versions,
            [last.version],
            "the answer has the last version"
        );
        assert_eq!(
            last_position(&store).await,
            last.position,
            "the log ends there"
        );
    }
}

pub(super) async fn versions_count_from_one_in_each_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for round in 0..3 {
        for name in ["a-1", "a-2", "b-1"] {
            let appended = put(&store, to(name, Version(round), [event()])).await;
            assert_eq!(
                appended.version(),
                Version(round + 1),
                "each stream counts by itself"
            );
        }
    }
    for name in ["a-1", "a-2", "b-1"] {
        assert_eq!(
            versions(&history(&store, name).await),
            [1, 2, 3],
            "versions count from 1"
        );
    }
}

pub(super) async fn positions_grow_over_all_streams<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut before = Position::ZERO;
    for index in 0..20 {
        let name = format!("account-{}", index % 4);
        let position = put(&store, to(&name, Any, events(1 + index % 3)))
            .await
            .position;
        let position = position.expect("there were events");
        assert!(
            position > before,
            "each append ends at a higher position than all before it"
        );
        before = position;
    }
}

pub(super) async fn first_position_is_one<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    assert_eq!(
        last_position(&store).await,
        Position::ZERO,
        "an empty log ends at zero"
    );
    let appended = put(&store, to(STREAM, Any, [event()])).await;
    assert_eq!(
        appended.position,
        Some(Position::FIRST),
        "positions count from 1"
    );
}

pub(super) async fn events_of_one_append_stand_together<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, "account-2", 2).await;
    let last = put(&store, to(STREAM, Any, events(100)))
        .await
        .position
        .expect("events");
    let found = positions(&history(&store, STREAM).await);
    let wanted: Vec<_> = (last.0 - 99..=last.0).map(Position).collect();
    assert_eq!(
        found, wanted,
        "the events of one append have positions without gaps"
    );
}

pub(super) async fn streams_whose_names_begin_alike_are_separate<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let names = ["a", "a-", "a-1", "a-10", "a-1-1", "A-1", "a-1 ", "a_1", "b"];
    let mut all = Vec::new();
    for name in names {
        all.push(put_any(&store, name, 2).await);
    }
    for (name, events) in names.into_iter().zip(&all) {
        holds(&store, name, events).await;
    }
}

pub(super) async fn ten_thousand_events_in_one_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = events(limits::EVENTS_PER_APPEND);
    let appended = put(&store, to(STREAM, NoStream, all.clone())).await;
    assert_eq!(
        appended.version(),
        Version(10_000),
        "all events of the append are there"
    );
    assert_same(&history(&store, STREAM).await, &all);
}

pub(super) async fn many_streams_of_few_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut append = Append::default();
    for index in 0..2_000 {
        append = append.and(stream(&format!("account-{index}")), NoStream, events(2));
    }
    put(&store, append.clone()).await;
    assert_eq!(
        log(&store).await.len(),
        4_000,
        "all events of all streams are there"
    );
    for part in append.parts().iter().step_by(97) {
        assert_same(&history(&store, part.stream.as_str()).await, &part.events);
    }
}
