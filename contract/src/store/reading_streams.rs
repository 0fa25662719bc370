//! Reading one stream: from any version, in both directions, up to a limit, and its state.
//!
//! Reading as of a time belongs to the repository (`load_as_of`), as does a stream's type: a store knows only the
//! names of streams. One event is read as a stream from its version with a limit of one.

use super::kit::*;
use midgard::event::RecordedEventRef;
use midgard::store::Visit;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

fn forward() -> ReadStream {
    ReadStream::forward(stream(STREAM))
}

fn backward() -> ReadStream {
    ReadStream::backward(stream(STREAM))
}

/// Appends ten events, and some of another stream between them.
async fn ten(store: &impl Store) -> Vec<NewEvent> {
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(put_any(store, STREAM, 2).await);
        put_any(store, "account-2", 1).await;
    }
    all
}

async fn gives(store: &impl Store, what: ReadStream, wanted: impl IntoIterator<Item = u64>) {
    let (events, state) = read(store, &what).await;
    let wanted: Vec<_> = wanted.into_iter().collect();
    assert_eq!(versions(&events), wanted, "{what:?} gives these versions");
    assert_eq!(
        state.last,
        Version(10),
        "a read tells the version of the stream's last event"
    );
}

pub(super) async fn stream_gives_every_event_in_order<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = ten(&store).await;
    assert_same(&history(&store, STREAM).await, &all);
    gives(&store, forward(), 1..=10).await;
}

pub(super) async fn stream_gives_only_its_own_events<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    assert_eq!(
        history(&store, "account-2").await.len(),
        5,
        "the other stream has its own"
    );
}

pub(super) async fn stream_from_a_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    for from in 1..=10 {
        gives(&store, forward().from(Version(from)), from..=10).await;
    }
}

pub(super) async fn stream_up_to_a_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    for limit in 0..=10 {
        gives(&store, forward().limit(limit), 1..=limit).await;
    }
    gives(&store, forward().limit(11), 1..=10).await;
}

pub(super) async fn stream_within_a_window_of_versions<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    gives(&store, forward().from(Version(3)).limit(4), 3..=6).await;
    gives(&store, forward().from(Version(9)).limit(4), 9..=10).await;
    gives(&store, forward().from(Version(10)).limit(1), [10]).await;
}

pub(super) async fn stream_from_version_zero_is_from_the_first<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    gives(&store, forward().from(Version::ZERO).limit(2), [1, 2]).await;
}

pub(super) async fn stream_from_beyond_its_end_is_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    for from in [Version(11), Version(1000), Version::MAX] {
        gives(&store, forward().from(from), []).await;
    }
}

pub(super) async fn stream_backward_gives_the_newest_first<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let mut all = ten(&store).await;
    all.reverse();
    assert_same(&read(&store, &backward()).await.0, &all);
    gives(&store, backward(), (1..=10).rev()).await;
}

pub(super) async fn stream_backward_from_a_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    for from in 1..=10 {
        gives(&store, backward().from(Version(from)), (1..=from).rev()).await;
    }
    gives(&store, backward().from(Version(11)), (1..=10).rev()).await;
}

pub(super) async fn stream_backward_up_to_a_limit<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    gives(&store, backward().limit(0), []).await;
    gives(&store, backward().limit(1), [10]).await;
    gives(&store, backward().from(Version(5)).limit(2), [5, 4]).await;
    gives(&store, backward().from(Version(2)).limit(9), [2, 1]).await;
}

pub(super) async fn stream_backward_from_version_zero_is_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    gives(&store, backward().from(Version::ZERO), []).await;
}

pub(super) async fn last_event_of_a_stream_is_one_backward<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = ten(&store).await;
    assert_same(&read(&store, &backward().limit(1)).await.0, &all[9..]);
}

pub(super) async fn one_event_by_its_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = ten(&store).await;
    for (index, one) in all.iter().enumerate() {
        let what = forward().from(Version(index as u64 + 1)).limit(1);
        assert_same(&read(&store, &what).await.0, std::slice::from_ref(one));
    }
}

pub(super) async fn unknown_stream_is_empty<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    for what in [
        forward(),
        backward(),
        forward().limit(0),
        backward().from(Version(7)),
    ] {
        let (events, state) = read(&store, &what).await;
        assert!(
            events.is_empty(),
            "a stream that does not exist has no events"
        );
        assert_eq!(
            state,
            StreamState::NONE,
            "a stream that does not exist has no versions"
        );
    }
}

pub(super) async fn reading_an_unknown_stream_does_not_create_it<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    history(&store, STREAM).await;
    state_of(&store, STREAM).await;
    put(&store, to(STREAM, NoStream, events(1))).await;
}

pub(super) async fn stream_state_has_first_and_last_version<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    let state = state_of(&store, STREAM).await;
    let wanted = StreamState {
        last: Version(10),
        first: Version(1),
        tombstoned: false,
    };
    assert_eq!(
        state, wanted,
        "a stream's state has its first and last versions"
    );
    assert!(state.exists(), "a stream with events exists");
    assert_eq!(
        read(&store, &forward()).await.1,
        state,
        "a read tells the same state"
    );
}

pub(super) async fn state_of_an_unknown_stream_is_none<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    assert_eq!(
        state_of(&store, STREAM).await,
        StreamState::NONE,
        "it has no versions"
    );
    put_any(&store, "account-2", 1).await;
    assert_eq!(
        state_of(&store, STREAM).await,
        StreamState::NONE,
        "others do not matter"
    );
}

pub(super) async fn break_ends_a_read_of_a_stream<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    ten(&store).await;
    for what in [forward(), backward()] {
        let mut visited = 0;
        let state = store
            .read_stream(&what, &mut |_| {
                visited += 1;
                match visited {
                    3.. => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            })
            .await
            .expect("a read that was broken off did not fail");
        assert_eq!(visited, 3, "nothing is visited after the visitor broke off");
        assert_eq!(state.last, Version(10), "the state is told all the same");
    }
}

pub(super) async fn long_stream_is_read_whole<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    // Above and below the usual sizes of batches in stores.
    for count in [255, 256, 257, 512, 1025, 3000] {
        let name = format!("account-{count}");
        let mut all = put_any(&store, &name, count).await;
        assert_same(&history(&store, &name).await, &all);
        all.reverse();
        let what = ReadStream::backward(stream(&name));
        assert_same(&read(&store, &what).await.0, &all);
    }
}

pub(super) async fn stream_is_read_in_pages<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    let all = ten(&store).await;
    let (mut pages, mut from) = (Vec::new(), Version::FIRST);
    loop {
        let (page, _) = read(&store, &forward().from(from).limit(3)).await;
        let Some(last) = page.last() else { break };
        from = last.version.next();
        pages.extend(page);
    }
    assert_same(&pages, &all);
}

pub(super) async fn stream_events_are_the_same_as_a_read<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 600).await;
    for what in [
        forward(),
        backward(),
        forward().from(Version(300)),
        forward().limit(0),
        forward().limit(256),
        forward().limit(257),
        backward().limit(512),
        backward().from(Version(5)),
        backward().from(Version::ZERO),
        forward().from(Version::MAX),
        ReadStream::forward(stream("account-unknown")),
    ] {
        let streamed = rest(store.stream_events(what.clone())).await;
        assert_eq!(
            streamed,
            read(&store, &what).await.0,
            "{what:?} gives the same as a stream"
        );
    }
}

pub(super) async fn append_during_a_read_is_not_part_of_it<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 300).await;
    for what in [forward(), backward()] {
        let last = state_of(&store, STREAM).await.last;
        let mut seen = Vec::new();
        let state = store
            .read_stream(&what, &mut |event| {
                if seen.is_empty() {
                    // From another thread, as a store may be busy on this one.
                    std::thread::scope(|threads| {
                        threads.spawn(|| fixture.block_on(put_any(&store, STREAM, 1)));
                    });
                }
                seen.push(event.version.0);
                ControlFlow::Continue(())
            })
            .await
            .expect("a read goes on while events are appended");
        assert_eq!(state.last, last, "a read tells the state that it saw");
        if what.direction == Direction::Backward {
            seen.reverse();
        }
        assert_eq!(
            seen,
            (1..=last.0).collect::<Vec<_>>(),
            "a stream is read as it was"
        );
    }
}

pub(super) async fn long_reads_give_way<F: Fixture>(fixture: &F) {
    let store = fixture.open();
    put_any(&store, STREAM, 3 * AT_ONCE).await;
    for what in [forward(), backward()] {
        gives_way(async |visit| drop(store.read_stream(&what, visit).await)).await;
    }
    for what in [ReadLog::forward(), ReadLog::backward()] {
        gives_way(async |visit| drop(store.read_log(&what, visit).await)).await;
    }
}

/// How many events a read may visit before others on its thread have a turn.
const AT_ONCE: usize = 2_000;

/// Polls a read by hand, and checks how many events each poll has visited.
async fn gives_way(read: impl AsyncFnOnce(&mut Visit<'_>)) {
    let visited = AtomicUsize::new(0);
    let mut visit = |_: RecordedEventRef<'_>| {
        visited.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    let mut reading = pin!(read(&mut visit));
    let mut before = 0;
    poll_fn(|context| {
        let poll = reading.as_mut().poll(context);
        let now = visited.load(Ordering::Relaxed);
        assert!(
            now - before <= AT_ONCE,
            "a read gives way to others on its thread: {} events at once are too many",
            now - before
        );
        before = now;
        poll
    })
    .await;
    assert_eq!(before, 3 * AT_ONCE, "all events were visited");
}
