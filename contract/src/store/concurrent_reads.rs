//! Reads while many threads write: they see whole appends, and nothing goes back.

use super::kit::*;
use super::threads::{THREADS, at_once, while_writing};

pub(super) async fn readers_of_the_log_see_whole_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let write = |_| {
        for _ in 0..10 {
            let append = to("a", Any, events(3)).and(stream("b"), Any, events(4));
            fixture.block_on(put(&store, append));
        }
    };
    let mut before = 0;
    while_writing(write, || {
        let seen = fixture.block_on(log(&store)).len();
        assert_eq!(seen % 7, 0, "a reader sees all events of an append or none");
        assert!(seen >= before, "what was seen does not go away");
        before = seen;
    });
    assert_eq!(
        log(&store).await.len(),
        THREADS * 70,
        "all appends are there"
    );
}

pub(super) async fn readers_of_a_stream_see_whole_appends<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let write = |_| {
        for _ in 0..10 {
            fixture.block_on(put(&store, to(STREAM, Any, events(5))));
        }
    };
    while_writing(write, || {
        let what = ReadStream::forward(stream(STREAM));
        let (events, state) = fixture.block_on(read(&store, &what));
        assert_eq!(
            events.len() % 5,
            0,
            "a reader sees all events of an append or none"
        );
        assert_eq!(
            events.len() as u64,
            state.last.0,
            "the state is that of the events"
        );
    });
    assert_eq!(
        history(&store, STREAM).await.len(),
        THREADS * 50,
        "all appends are there"
    );
}

pub(super) async fn backward_reads_begin_at_the_end<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 1).await;
    let write = |_| {
        for _ in 0..20 {
            fixture.block_on(put_any(&store, STREAM, 1));
        }
    };
    while_writing(write, || {
        let what = ReadStream::backward(stream(STREAM)).limit(3);
        let (events, state) = fixture.block_on(read(&store, &what));
        let newest = events.first().expect("the stream is never empty");
        assert_eq!(
            newest.version, state.last,
            "a backward read begins at the last version"
        );
        let least = fixture.block_on(last_position(&store));
        let (events, _) = fixture.block_on(scan(&store, &ReadLog::backward().limit(3)));
        let newest = events.first().expect("the log is never empty");
        assert!(
            newest.position >= least,
            "a backward read begins at the end of the log"
        );
    });
}

pub(super) async fn times_and_positions_of_many_threads_agree<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let answers = at_once(|thread| {
        let name = format!("account-{thread}");
        let mut ends = Vec::new();
        for _ in 0..30 {
            ends.push(
                fixture
                    .block_on(put(&store, to(&name, Any, events(1))))
                    .position,
            );
        }
        ends
    });
    for ends in &answers {
        assert!(
            ends.is_sorted(),
            "whoever waits for an answer comes later in the log"
        );
    }
    // The read checks that times are in the order of positions.
    assert_eq!(
        log(&store).await.len(),
        THREADS * 30,
        "all events are there"
    );
}

pub(super) async fn truncations_while_others_append_and_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 10).await;
    let write = |thread: usize| {
        for _ in 0..10 {
            fixture.block_on(async {
                put_any(&store, STREAM, 2).await;
                if thread == 0 {
                    let before = Version(state_of(&store, STREAM).await.last.0 - 5);
                    store
                        .truncate(&stream(STREAM), before, Any)
                        .await
                        .expect("it truncates");
                }
            });
        }
    };
    let mut first = Version::FIRST;
    while_writing(write, || {
        let what = ReadStream::forward(stream(STREAM));
        let (_, state) = fixture.block_on(read(&store, &what));
        assert!(
            state.first >= first,
            "what was truncated does not come back"
        );
        first = state.first;
    });
    let (events, state) = read(&store, &ReadStream::forward(stream(STREAM))).await;
    assert_eq!(
        state.last,
        Version(10 + THREADS as u64 * 20),
        "no append was lost"
    );
    assert_eq!(
        events.first().map(|event| event.version),
        Some(state.first),
        "the rest is there"
    );
}
