//! Appending again what was appended before: a retry gets the first answer.
//!
//! The names follow KurrentDB's sequences: what was appended, then what is repeated, and how.

use super::kit::*;
use crate::ExpectedVersion;

/// Appends, appends other events after it, repeats the first append: the first answer, nothing more.
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
    // As a retry it is known; as a new append it would be a conflict.
    answers_again(
        &store,
        to(STREAM, Version(1), [events[1].clone()]),
        &answers[1],
    )
    .await;
    conflicts(&store, to(STREAM, Version(1), [event()]), STREAM, 3).await;
}

/// Of `[0, 1]`, only 0 is there.
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

pub(super) async fn known_ids_in_another_stream_are_new<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let events = events(2);
    for (name, expected) in [
        (STREAM, NoStream),
        ("account-2", NoStream),
        ("account-3", Any),
    ] {
        put(&store, to(name, expected, events.clone())).await;
        holds(&store, name, &events).await;
    }
}

pub(super) async fn same_id_several_times_in_one_batch<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let one = event();
    let batch = [one.clone(), one.clone(), one.clone()];
    for (name, expected) in [(STREAM, NoStream), ("account-2", Any)] {
        let first = put(&store, to(name, expected, batch.clone())).await;
        assert_eq!(
            first.version(),
            Version(3),
            "each event of a batch is one version"
        );
        holds(&store, name, &batch).await;
        answers_again(&store, to(name, expected, batch.clone()), &first).await;
    }
}

pub(super) async fn batch_with_one_id_more_often_than_before_conflicts<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let one = event();
    put(&store, to(STREAM, NoStream, [one.clone(), one.clone()])).await;
    conflicts(
        &store,
        to(STREAM, NoStream, [one.clone(), one.clone(), one]),
        STREAM,
        2,
    )
    .await;
}

pub(super) async fn retry_is_recognised_by_its_ids_alone<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let one = event();
    let first = put(&store, to(STREAM, NoStream, [one.clone()])).await;
    let rewritten = named("account.renamed").with_id(one.id);
    answers_again(&store, to(STREAM, NoStream, [rewritten]), &first).await;
    holds(&store, STREAM, &[one]).await;
}

pub(super) async fn retry_with_any_is_recognised_among_the_recent_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let append = to(STREAM, Any, events(2));
    let first = put(&store, append.clone()).await;
    let later = crate::store::rules::RECENT_EVENTS - 2;
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
