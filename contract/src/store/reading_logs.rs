//! Reading the log: from any position, in both directions, up to a limit, and the position that a read reached.
//!
//! dcb-eventstore's cases of reading twice from one iterator have no counterpart: a read calls its visitor once for
//! each event, and a Rust stream is consumed as it is read.

use super::kit::*;

/// Nine events over three streams.
async fn nine(store: &impl Store) -> Vec<NewEvent> {
    let mut all = Vec::new();
    for name in ["a", "b", "c", "a", "c"] {
        all.extend(put_any(store, name, 1).await);
    }
    all.extend(put_any(store, "b", 4).await);
    all
}

async fn gives(
    store: &impl Store,
    what: ReadLog,
    wanted: impl IntoIterator<Item = u64>,
    wanted_reached: u64,
) {
    let (events, reached) = scan(store, &what).await;
    let wanted: Vec<_> = wanted.into_iter().map(Position).collect();
    assert_eq!(positions(&events), wanted, "{what:?} gives these positions");
    assert_eq!(
        reached,
        Position(wanted_reached),
        "{what:?} tells the last position that it looked at"
    );
}

pub(super) async fn empty_log_gives_nothing<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    gives(&store, ReadLog::forward(), [], 0).await;
    gives(&store, ReadLog::forward().from(Position::ZERO), [], 0).await;
    let (events, _) = scan(&store, &ReadLog::backward()).await;
    assert!(
        events.is_empty(),
        "an empty log has no events backward either"
    );
}

pub(super) async fn log_gives_all_events_in_the_order_of_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = nine(&store).await;
    assert_same(&log(&store).await, &all);
    gives(&store, ReadLog::forward(), 1..=9, 9).await;
}

pub(super) async fn log_from_a_position<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    for from in 1..=9 {
        gives(&store, ReadLog::forward().from(Position(from)), from..=9, 9).await;
        gives(
            &store,
            ReadLog::forward().after(Position(from)),
            from + 1..=9,
            9,
        )
        .await;
    }
    gives(&store, ReadLog::forward().from(Position::ZERO), 1..=9, 9).await;
}

pub(super) async fn log_up_to_a_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    for limit in 1..=9 {
        gives(&store, ReadLog::forward().limit(limit), 1..=limit, limit).await;
    }
    gives(&store, ReadLog::forward().limit(10), 1..=9, 9).await;
    gives(
        &store,
        ReadLog::forward().after(Position(4)).limit(3),
        5..=7,
        7,
    )
    .await;
}

pub(super) async fn log_read_of_no_events_stays_where_it_is<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    gives(&store, ReadLog::forward().limit(0), [], 0).await;
    gives(&store, ReadLog::forward().from(Position(5)).limit(0), [], 4).await;
    let (events, _) = scan(&store, &ReadLog::backward().limit(0)).await;
    assert!(
        events.is_empty(),
        "a limit of 0 gives nothing backward either"
    );
}

pub(super) async fn log_from_beyond_its_end_is_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    gives(&store, ReadLog::forward().from(Position(10)), [], 9).await;
    gives(&store, ReadLog::forward().from(Position(1000)), [], 999).await;
    gives(
        &store,
        ReadLog::forward().from(Position::MAX),
        [],
        u64::MAX - 1,
    )
    .await;
}

pub(super) async fn log_backward_gives_the_newest_first<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = nine(&store).await;
    all.reverse();
    assert_same(&scan(&store, &ReadLog::backward()).await.0, &all);
}

pub(super) async fn log_backward_from_a_position<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    for from in 1..=9 {
        let what = ReadLog::backward().from(Position(from));
        assert_eq!(
            positions(&scan(&store, &what).await.0),
            (1..=from).rev().map(Position).collect::<Vec<_>>(),
            "a backward read begins at its position"
        );
    }
}

pub(super) async fn log_backward_up_to_a_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    gives(&store, ReadLog::backward().limit(1), [9], 9).await;
    gives(&store, ReadLog::backward().limit(3), [9, 8, 7], 7).await;
    gives(
        &store,
        ReadLog::backward().from(Position(5)).limit(2),
        [5, 4],
        4,
    )
    .await;
}

pub(super) async fn log_backward_from_the_first_position_is_one_event<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = nine(&store).await;
    let (events, _) = scan(&store, &ReadLog::backward().from(Position::FIRST)).await;
    assert_same(&events, &all[..1]);
}

pub(super) async fn log_backward_from_zero_is_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    let (events, _) = scan(&store, &ReadLog::backward().from(Position::ZERO)).await;
    assert!(events.is_empty(), "nothing is at or before position 0");
}

/// Reads pages of `limit` until one is empty, each from where the previous one ended.
async fn pages(store: &impl Store, mut what: ReadLog) -> Vec<RecordedEvent> {
    let mut all = Vec::new();
    loop {
        let (page, reached) = scan(store, &what).await;
        what = match what.direction {
            Direction::Forward => what.after(reached),
            Direction::Backward => what.from(reached.previous()),
        };
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

pub(super) async fn log_is_read_in_pages<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    for limit in 1..=10 {
        for what in [ReadLog::forward(), ReadLog::backward()] {
            let whole = scan(&store, &what).await.0;
            let paged = pages(&store, what.limit(limit)).await;
            assert_eq!(
                paged, whole,
                "pages of {limit} together give the whole, each event once"
            );
        }
    }
}

pub(super) async fn filtered_log_is_read_in_pages<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all: Vec<_> = (0..40)
        .map(|index| named(["even", "odd"][index % 2]))
        .collect();
    put(&store, to(STREAM, Any, all)).await;
    for what in [ReadLog::forward(), ReadLog::backward()] {
        let what = what.matching(QueryItem::new().name("odd"));
        let whole = scan(&store, &what).await.0;
        assert_eq!(whole.len(), 20, "half of the events match");
        assert_eq!(
            pages(&store, what.limit(3)).await,
            whole,
            "pages skip nothing that matches"
        );
    }
}

pub(super) async fn read_goes_on_past_events_that_do_not_match<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    let nothing = QueryItem::new().name("of.no.event");
    // So that a subscription to rare events does not read the others again and again.
    gives(&store, ReadLog::forward().matching(nothing), [], 9).await;
}

pub(super) async fn break_ends_a_read_of_the_log<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    for (what, wanted) in [(ReadLog::forward(), 4), (ReadLog::backward(), 6)] {
        let mut visited = 0;
        let reached = store
            .read_log(&what, &mut |_| {
                visited += 1;
                match visited {
                    4.. => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            })
            .await
            .expect("a read that was broken off did not fail");
        assert_eq!(visited, 4, "nothing is visited after the visitor broke off");
        assert_eq!(
            reached,
            Position(wanted),
            "a read goes on after the event it broke off at"
        );
    }
}

pub(super) async fn long_log_is_read_whole<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = Vec::new();
    for (index, count) in [255, 256, 257, 1000].into_iter().enumerate() {
        all.extend(put_any(&store, &format!("account-{index}"), count).await);
    }
    assert_same(&log(&store).await, &all);
    all.reverse();
    assert_same(&scan(&store, &ReadLog::backward()).await.0, &all);
}

pub(super) async fn unknown_log_is_an_error<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    nine(&store).await;
    let unknown = LogId(u32::MAX);
    let read = ReadLog::forward().log(unknown);
    let mut visit = |_: midgard::event::RecordedEventRef<'_>| -> ControlFlow<()> {
        panic!("an unknown log has no events")
    };
    let errors = [
        store.last_position(unknown).await.err(),
        store.read_log(&read, &mut visit).await.err(),
        store.read_log(&read.limit(0), &mut visit).await.err(),
        store.wait_past(unknown, Position::ZERO).await.err(),
    ];
    for error in errors {
        assert!(
            matches!(error, Some(StoreError::UnknownLog { log, .. }) if log == unknown),
            "a log that does not exist is an error that names it, and not {error:?}"
        );
    }
}

pub(super) async fn events_are_the_same_as_a_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 600).await;
    let odd: Vec<_> = (0..600)
        .map(|index| named(["even", "odd"][index % 2]))
        .collect();
    put(&store, to("account-2", Any, odd)).await;
    let odd = QueryItem::new().name("odd");
    for what in [
        ReadLog::forward(),
        ReadLog::backward(),
        ReadLog::forward().from(Position::ZERO),
        ReadLog::forward().after(Position(500)).limit(256),
        ReadLog::forward().limit(0),
        ReadLog::forward().limit(257),
        ReadLog::backward().limit(513),
        ReadLog::backward().from(Position(1)),
        ReadLog::forward().from(Position::MAX),
        ReadLog::forward().matching(odd.clone()),
        ReadLog::backward().matching(odd.clone()).limit(280),
        ReadLog::backward().matching(odd).from(Position(700)),
    ] {
        let streamed = rest(store.events(what.clone())).await;
        assert_eq!(
            streamed,
            scan(&store, &what).await.0,
            "{what:?} gives the same as a stream"
        );
    }
}

pub(super) async fn stream_of_events_sees_what_is_appended_as_it_goes<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = put_any(&store, STREAM, 1000).await;
    let mut stream = store.events(ReadLog::forward());
    let mut seen = take(&mut stream, 1).await;
    all.extend(put_any(&store, STREAM, 10).await);
    seen.extend(rest(stream).await);
    assert_same(&seen, &all);
}

pub(super) async fn logs_that_are_listed_can_be_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = nine(&store).await;
    let logs = store.logs().await.expect("the logs are listed");
    assert!(
        logs.contains(&LogId::MAIN) && logs.is_sorted_by(|one, next| one < next),
        "every store has the main log, and lists each of its logs once, in their order, and not {logs:?}"
    );
    let mut found = 0;
    for log in logs {
        let last = store.last_position(log).await;
        last.unwrap_or_else(|error| panic!("log {log} is listed, and has an end: {error}"));
        found += scan(&store, &ReadLog::forward().log(log)).await.0.len();
    }
    assert_eq!(
        found,
        all.len(),
        "every event is in one of the logs that are listed"
    );
}
