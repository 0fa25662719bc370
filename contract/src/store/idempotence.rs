//! Repeated appends: a retry gets the first answer.
//!
//! The names follow KurrentDB's sequences: what was appended, then what is repeated, and how.

use super::kit::*;
use midgard::store::ExpectedVersion;
use midgard::store::IdDifference;

/// Appends, appends other events after it, and repeats the first append: it gets the first answer, and nothing more
/// is appended.
async fn repeats(store: &impl Store, append: Append, later: usize) {
    let first = put(store, append.clone()).await;
    if later > 0 {
        put_any(store, STREAM, later).await;
        put_any(store, "account-2", later).await;
    }
    answers_again(store, append, &first).await;
}

/// Repeats an append that was answered with `first`.
async fn answers_again(store: &impl Store, append: Append, first: &Appended) {
    let before = log(store).await;
    let again = put(store, append).await;
    assert_eq!(
        again, *first,
        "a retry of an append gets the answer that the append got"
    );
    assert_list(
        &log(store).await,
        &before,
        "a retry of an append adds nothing",
    );
}

/// Three events in a stream, each appended at its exact version, and their answers.
async fn three_appended(store: &impl Store) -> (Vec<NewEvent>, Vec<Appended>) {
    let events = events(3);
    let mut answers = Vec::new();
    for (version, event) in events.iter().enumerate() {
        let append = to(STREAM, Version(version as u64), [event.clone()]);
        answers.push(put(store, append).await);
    }
    (events, answers)
}

pub(super) async fn idempotent_repeat_with_no_stream<F: Fixture>(fixture: &F) {
    repeats(&fixture.open(), to(STREAM, NoStream, events(1)), 0).await;
}

pub(super) async fn idempotent_repeat_with_exact<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    repeats(&store, to(STREAM, Version(3), events(1)), 0).await;
}

pub(super) async fn idempotent_repeat_with_any<F: Fixture>(fixture: &F) {
    repeats(&fixture.open(), to(STREAM, Any, events(1)), 0).await;
}

pub(super) async fn idempotent_repeat_with_exists<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    repeats(&store, to(STREAM, Exists, events(1)), 0).await;
}

pub(super) async fn idempotent_repeat_with_no_stream_after_later_appends<F: Fixture>(fixture: &F) {
    repeats(&fixture.open(), to(STREAM, NoStream, events(2)), 5).await;
}

pub(super) async fn idempotent_repeat_with_exact_after_later_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    repeats(&store, to(STREAM, Version(3), events(2)), 5).await;
}

pub(super) async fn idempotent_repeat_with_any_after_later_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    repeats(&store, to(STREAM, Any, events(2)), 5).await;
}

pub(super) async fn idempotent_repeat_with_exists_after_later_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3).await;
    repeats(&store, to(STREAM, Exists, events(2)), 5).await;
}

pub(super) async fn idempotent_repeat_of_each_of_three_with_exact<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (events, answers) = three_appended(&store).await;
    for (version, (event, answer)) in events.into_iter().zip(&answers).enumerate() {
        answers_again(&store, to(STREAM, Version(version as u64), [event]), answer).await;
    }
}

pub(super) async fn idempotent_repeat_of_each_of_three_with_any<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (events, answers) = three_appended(&store).await;
    for (event, answer) in events.into_iter().zip(&answers) {
        answers_again(&store, to(STREAM, Any, [event]), answer).await;
    }
}

pub(super) async fn idempotent_repeat_of_three_single_appends_as_one_batch<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    let (events, answers) = three_appended(&store).await;
    for expected in [NoStream, Exact(Version::ZERO), Any, Exists] {
        answers_again(&store, to(STREAM, expected, events.clone()), &answers[2]).await;
    }
}

pub(super) async fn idempotent_repeat_of_the_first_of_a_batch<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let events = events(3);
    put(&store, to(STREAM, NoStream, events.clone())).await;
    let first = Appended::new(LogId::MAIN, Some(Position(1)), vec![Version(1)]);
    for expected in [NoStream, Any] {
        answers_again(&store, to(STREAM, expected, [events[0].clone()]), &first).await;
    }
}

pub(super) async fn idempotent_repeat_of_the_last_of_a_batch<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let events = events(3);
    let first = put(&store, to(STREAM, NoStream, events.clone())).await;
    for expected in [Exact(Version(1)), Any] {
        answers_again(&store, to(STREAM, expected, events[1..].to_vec()), &first).await;
    }
}

pub(super) async fn idempotent_repeat_many_times<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, NoStream, events(4));
    let first = put(&store, append.clone()).await;
    for _ in 0..5 {
        answers_again(&store, append.clone(), &first).await;
    }
}

pub(super) async fn idempotent_repeat_of_a_stale_append_is_recognised<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (events, answers) = three_appended(&store).await;
    // As a retry it is recognised; as a new append it would be a conflict.
    answers_again(
        &store,
        to(STREAM, Version(1), [events[1].clone()]),
        &answers[1],
    )
    .await;
    conflicts(&store, to(STREAM, Version(1), [event()]), STREAM, 3).await;
}

/// Of `[0, 1]`, only 0 exists.
async fn beginning_known(store: &impl Store, expected: ExpectedVersion) {
    let events = events(2);
    put(store, to(STREAM, Any, [events[0].clone()])).await;
    conflicts(store, to(STREAM, expected, events), STREAM, 1).await;
}

pub(super) async fn batch_with_a_known_beginning_conflicts_with_no_stream<F: Fixture>(fixture: &F) {
    beginning_known(&fixture.open(), NoStream).await;
}

pub(super) async fn batch_with_a_known_beginning_conflicts_with_exact<F: Fixture>(fixture: &F) {
    beginning_known(&fixture.open(), Exact(Version::ZERO)).await;
}

pub(super) async fn batch_with_a_known_beginning_conflicts_with_any<F: Fixture>(fixture: &F) {
    beginning_known(&fixture.open(), Any).await;
}

pub(super) async fn batch_with_a_known_beginning_conflicts_with_exists<F: Fixture>(fixture: &F) {
    beginning_known(&fixture.open(), Exists).await;
}

pub(super) async fn batch_with_a_known_end_conflicts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let known = put_any(&store, STREAM, 2).await;
    let batch = [event(), known[1].clone()];
    for expected in [NoStream, Exact(Version(1)), Any, Exists] {
        conflicts(&store, to(STREAM, expected, batch.clone()), STREAM, 2).await;
    }
}

pub(super) async fn batch_in_another_order_conflicts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut events = events(3);
    put(&store, to(STREAM, NoStream, events.clone())).await;
    events.reverse();
    for expected in [NoStream, Any, Exists] {
        conflicts(&store, to(STREAM, expected, events.clone()), STREAM, 3).await;
    }
}

pub(super) async fn batch_that_leaves_one_out_conflicts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let events = put_any(&store, STREAM, 3).await;
    let batch = [events[0].clone(), events[2].clone()];
    for expected in [NoStream, Any] {
        conflicts(&store, to(STREAM, expected, batch.clone()), STREAM, 3).await;
    }
}

pub(super) async fn other_ids_at_a_known_version_conflict<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, NoStream, events(1))).await;
    conflicts(&store, to(STREAM, NoStream, events(1)), STREAM, 1).await;
}

pub(super) async fn known_ids_at_another_version_conflict<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (events, _) = three_appended(&store).await;
    conflicts(
        &store,
        to(STREAM, Version(1), [events[0].clone()]),
        STREAM,
        3,
    )
    .await;
    conflicts(
        &store,
        to(STREAM, Version(2), [events[0].clone()]),
        STREAM,
        3,
    )
    .await;
}

pub(super) async fn known_id_at_the_next_version_is_a_new_append<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let one = event();
    put(&store, to(STREAM, NoStream, [one.clone()])).await;
    let second = put(&store, to(STREAM, Version(1), [one.clone()])).await;
    assert_eq!(
        second.version(),
        Version(2),
        "at the correct next version it is a new append"
    );
    holds(&store, STREAM, &[one.clone(), one.clone()]).await;
    answers_again(&store, to(STREAM, Version(1), [one]), &second).await;
}

/// Asserts a refusal because the first event has an id that belongs to version `at` of stream `name`, and another
/// `what`.
async fn id_is_taken(store: &impl Store, append: Append, name: &str, at: u64, what: IdDifference) {
    let ids: Vec<_> = append.events().map(|event| event.id).collect();
    match refused(store, append).await {
        AppendError::IdTaken {
            id,
            stream,
            version,
            difference,
        } => {
            assert!(ids.contains(&id), "an id that is taken is named");
            assert_eq!(
                (stream.as_str(), version),
                (name, Version(at)),
                "the error names where the event is that has the id"
            );
            assert_eq!(difference, what, "the error names what differs");
        }
        error => panic!("an id that is another event's is refused as such, not: {error}"),
    }
}

/// Asserts that the second event of two is refused under all expectations when `change` altered it.
async fn another_event_is_refused(
    store: &impl Store,
    what: IdDifference,
    change: impl Fn(&mut NewEvent),
) {
    put_any(store, STREAM, 3).await;
    let events = events(2);
    let first = put(store, to(STREAM, Version(3), events.clone())).await;
    put_any(store, STREAM, 2).await;
    let mut changed = events.clone();
    change(&mut changed[1]);
    for expected in [Exact(Version(3)), Any, Exists] {
        let append = to(STREAM, expected, changed.clone());
        id_is_taken(store, append, STREAM, 5, what).await;
        let append = to(STREAM, expected, events.clone());
        answers_again(store, append, &first).await;
    }
    for expected in [Exact(Version(4)), Any, Exists] {
        let append = to(STREAM, expected, [changed[1].clone()]);
        id_is_taken(store, append, STREAM, 5, what).await;
    }
    let another = event();
    put(store, to("account-2", NoStream, [another.clone()])).await;
    let mut changed = another;
    change(&mut changed);
    for expected in [NoStream, Exact(Version::ZERO), Any, Exists] {
        let append = to("account-2", expected, [changed.clone()]);
        id_is_taken(store, append, "account-2", 1, what).await;
    }
}

pub(super) async fn known_id_with_another_name_is_taken<F: Fixture>(fixture: &F) {
    let change = |event: &mut NewEvent| event.name = "account.renamed".into();
    another_event_is_refused(&fixture.open(), IdDifference::Name, change).await;
}

pub(super) async fn known_id_with_another_version_of_the_payload_is_taken<F: Fixture>(fixture: &F) {
    let change = |event: &mut NewEvent| event.schema_version += 1;
    another_event_is_refused(&fixture.open(), IdDifference::SchemaVersion, change).await;
}

pub(super) async fn known_id_with_another_codec_is_taken<F: Fixture>(fixture: &F) {
    let change = |event: &mut NewEvent| event.codec = Codec::from_code(200);
    another_event_is_refused(&fixture.open(), IdDifference::Codec, change).await;
}

pub(super) async fn known_id_with_another_payload_is_taken<F: Fixture>(fixture: &F) {
    let change = |event: &mut NewEvent| event.payload.push(b' ');
    another_event_is_refused(&fixture.open(), IdDifference::Payload, change).await;
}

pub(super) async fn known_id_with_the_last_byte_of_a_large_payload_changed_is_taken<F: Fixture>(
    fixture: &F,
) {
    for size in [3_000, 10_000, 1 << 20] {
        let store = fixture.open();
        let mut one = event();
        one.payload = vec![b'1'; size];
        let name = format!("account-{size}");
        let first = put(&store, to(&name, NoStream, [one.clone()])).await;
        answers_again(&store, to(&name, NoStream, [one.clone()]), &first).await;
        one.payload[size - 1] = b'2';
        for expected in [NoStream, Any] {
            let append = to(&name, expected, [one.clone()]);
            id_is_taken(&store, append, &name, 1, IdDifference::Payload).await;
        }
    }
}

pub(super) async fn known_id_in_one_of_several_parts_is_taken<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (first, second) = (event(), event());
    let append = |second: &NewEvent, expected| {
        let append = to(STREAM, expected, [first.clone()]);
        append.and(stream("account-2"), expected, [second.clone()])
    };
    let answer = put(&store, append(&second, NoStream)).await;
    let changed = named("account.renamed").with_id(second.id);
    for expected in [NoStream, Any] {
        let what = IdDifference::Name;
        id_is_taken(&store, append(&changed, expected), "account-2", 1, what).await;
        answers_again(&store, append(&second, expected), &answer).await;
    }
}

pub(super) async fn retry_with_other_tags_and_metadata_is_a_retry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let one = tagged("account.opened", &["account:1"]);
    let first = put(&store, to(STREAM, NoStream, [one.clone()])).await;
    let metadata = Metadata::new().with_header("try", "2");
    let again = one.clone().with_tag("account", "2").with_metadata(metadata);
    for expected in [NoStream, Any] {
        answers_again(&store, to(STREAM, expected, [again.clone()]), &first).await;
    }
    holds(&store, STREAM, &[one]).await;
}

pub(super) async fn known_id_in_another_stream_is_taken<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let known = put_any(&store, STREAM, 2).await;
    put_any(&store, "account-2", 1).await;
    let what = IdDifference::Stream;
    for (name, expected) in [
        ("account-2", Any),
        ("account-2", Exists),
        ("account-3", Any),
    ] {
        let append = to(name, expected, [event(), known[1].clone()]);
        id_is_taken(&store, append, STREAM, 2, what).await;
    }
    let append = to("account-3", NoStream, events(1)).and(stream("account-2"), Any, known);
    id_is_taken(&store, append, STREAM, 1, what).await;
}

pub(super) async fn known_ids_in_another_stream_are_not_looked_for_with_exact<F: Fixture>(
    fixture: &F,
) {
    let store = fixture.open();
    let events = events(2);
    for name in [STREAM, "account-2"] {
        let first = put(&store, to(name, NoStream, events.clone())).await;
        holds(&store, name, &events).await;
        answers_again(&store, to(name, NoStream, events.clone()), &first).await;
    }
    // There it is a retry, whichever other streams have the ids.
    for name in [STREAM, "account-2"] {
        let again = put(&store, to(name, Any, events.clone())).await;
        assert_eq!(
            again.version(),
            Version(2),
            "a retry is found in its own stream"
        );
    }
}

pub(super) async fn id_of_a_removed_event_is_not_taken<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let known = put_any(&store, STREAM, 2).await;
    put_any(&store, "account-2", 1).await;
    store
        .truncate(&stream(STREAM), Version(2), Any)
        .await
        .expect("it is truncated");
    put(&store, to("account-2", Any, [known[0].clone()])).await;
    let append = to("account-2", Any, [known[1].clone()]);
    id_is_taken(&store, append, STREAM, 2, IdDifference::Stream).await;
    store
        .tombstone(&stream(STREAM), Any)
        .await
        .expect("it is tombstoned");
    put(&store, to("account-2", Any, [known[1].clone()])).await;
}

pub(super) async fn same_id_twice_in_one_append_is_refused<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let (one, other) = (event(), event());
    let twice = named("account.renamed").with_id(one.id);
    let batch = |last: &NewEvent| [one.clone(), other.clone(), last.clone()];
    for expected in [NoStream, Any] {
        for append in [
            to(STREAM, expected, batch(&one)),
            to(STREAM, expected, batch(&twice)),
            to(STREAM, expected, [one.clone()]).and(stream(STREAM), Any, [one.clone()]),
            to(STREAM, expected, [one.clone()]).and(stream("account-2"), NoStream, [twice.clone()]),
        ] {
            match refused(&store, append).await {
                AppendError::IdRepeated { id } => assert_eq!(id, one.id, "the id is named"),
                error => panic!("an id that an append has twice is refused as such, not: {error}"),
            }
        }
    }
    put(&store, to(STREAM, NoStream, [other, one])).await;
}

pub(super) async fn retry_with_any_is_recognised_among_the_recent_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, Any, events(2));
    let first = put(&store, append.clone()).await;
    let later = midgard::store::rules::RECENT_EVENTS - 2;
    put(&store, to("account-2", Any, events(later))).await;
    assert_eq!(
        put(&store, append).await,
        first,
        "10,000 events back a retry is recognised"
    );
}

pub(super) async fn retry_with_exact_is_recognised_for_ever<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, NoStream, events(2));
    let first = put(&store, append.clone()).await;
    put(&store, to(STREAM, Any, events(10_000))).await;
    put(&store, to("account-2", Any, events(1_000))).await;
    assert_eq!(
        put(&store, append).await,
        first,
        "with an exact version a retry is always known"
    );
}

pub(super) async fn empty_append_is_no_retry<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put(&store, to(STREAM, NoStream, [])).await;
    put_any(&store, STREAM, 1).await;
    conflicts(&store, to(STREAM, NoStream, []), STREAM, 1).await;
}
