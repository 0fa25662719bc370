//! Shared code of the cases: events to append, appends that must or must not succeed, reads that check invariants of
//! every read, and assertions about what a store must have kept.

pub(super) use super::Fixture;
pub(super) use super::reads::*;
pub(super) use midgard::Store;
pub(super) use midgard::StreamName;
pub(super) use midgard::Timestamp;
pub(super) use midgard::event::Codec;
pub(super) use midgard::event::Tags;
pub(super) use midgard::event::{NewEvent, RecordedEvent};
pub(super) use midgard::limits;
pub(super) use midgard::store::ExpectedVersion::{Any, Exact, Exists, NoStream};
pub(super) use midgard::store::{
    Append, Appended, Direction, EventStream, ReadLog, ReadStream, StreamState,
};
pub(super) use midgard::store::{AppendCondition, Query, QueryItem};
pub(super) use midgard::store::{AppendError, StoreError};
pub(super) use midgard::{EventId, Metadata};
pub(super) use midgard::{LogId, Place, Position, Version};
pub(super) use std::ops::ControlFlow;

use futures_core::Stream;
use midgard::store::ExpectedVersion;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

/// The stream that a case uses when it needs only one.
pub(super) const STREAM: &str = "account-1";

pub(super) fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("the name is within its limits")
}

/// Returns an event that differs from every other.
pub(super) fn event() -> NewEvent {
    named("account.changed")
}

pub(super) fn named(name: &str) -> NewEvent {
    let event = NewEvent::json(name.to_owned(), 1, Vec::new());
    let payload = format!(r#"{{"id":"{}"}}"#, event.id).into_bytes();
    {
        let mut changed = event;
        changed.payload = payload;
        changed
    }
}

pub(super) fn tagged(name: &str, tags: &[&str]) -> NewEvent {
    {
        let mut changed = named(name);
        changed.tags = tags.iter().collect();
        changed
    }
}

pub(super) fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|_| event()).collect()
}

/// Returns an append to one stream.
pub(super) fn to(
    name: &str,
    expected: impl Into<ExpectedVersion>,
    events: impl IntoIterator<Item = NewEvent>,
) -> Append {
    Append::to(stream(name), expected, events)
}

/// Makes an append that the store must accept.
pub(super) async fn put(store: &impl Store, append: Append) -> Appended {
    let parts: Vec<_> = append
        .parts()
        .iter()
        .map(|part| part.events.len())
        .collect();
    let appended = match store.append(append).await {
        Ok(appended) => appended,
        Err(error) => panic!("a store makes an append that nothing stands against, but: {error}"),
    };
    assert_eq!(
        appended.log,
        LogId::MAIN,
        "a store with one log appends to the main log"
    );
    assert_eq!(
        appended.versions.len(),
        parts.len(),
        "a store answers an append with one version for each part"
    );
    assert_eq!(
        appended.position.is_some(),
        parts.iter().any(|events| *events > 0),
        "a store answers with the position of the last event, if there was one"
    );
    appended
}

/// Appends new events to the end of a stream, whatever its state.
pub(super) async fn put_any(store: &impl Store, name: &str, count: usize) -> Vec<NewEvent> {
    let events = events(count);
    put(store, to(name, Any, events.clone())).await;
    events
}

/// Makes an append that the store must refuse, leaving nothing behind.
pub(super) async fn refused(store: &impl Store, append: Append) -> AppendError {
    let streams: Vec<_> = append
        .parts()
        .iter()
        .map(|part| part.stream.clone())
        .collect();
    let before = snapshot(store, &streams).await;
    let Err(error) = store.append(append.clone()).await else {
        panic!("a store refuses an append that its promises rule out, but made {append:?}");
    };
    assert_eq!(
        snapshot(store, &streams).await,
        before,
        "a refused append ({error}) leaves nothing behind"
    );
    error
}

async fn snapshot(store: &impl Store, streams: &[StreamName]) -> (Position, Vec<StreamState>) {
    let mut states = Vec::with_capacity(streams.len());
    for stream in streams {
        states.push(state_of(store, stream.as_str()).await);
    }
    (last_position(store).await, states)
}

/// Asserts a refusal because stream `name` is at version `at` and not as its part expected.
pub(super) async fn conflicts(store: &impl Store, append: Append, name: &str, at: u64) {
    let wanted = append.clone();
    match refused(store, append).await {
        AppendError::Conflict {
            stream,
            expected,
            actual,
        } => {
            assert_eq!(
                stream.as_str(),
                name,
                "a conflict names the stream that is not as expected"
            );
            assert_eq!(
                actual,
                Version(at),
                "a conflict names the version that the stream is at"
            );
            assert!(
                wanted
                    .parts()
                    .iter()
                    .any(|part| part.stream == stream && part.expected == expected),
                "a conflict names the version that the caller expected, and not {expected:?}"
            );
        }
        error => panic!("a stream in another state than expected is a conflict, not: {error}"),
    }
}

/// Asserts a refusal because the event at position `at` matches the append's condition.
pub(super) async fn condition_fails(store: &impl Store, append: Append, at: Position) {
    let given = append.condition().map(|condition| condition.after);
    match refused(store, append).await {
        AppendError::ConditionFailed { after, place } => {
            assert_eq!(
                Some(after),
                given,
                "a failed condition names the place it was given"
            );
            assert_eq!(
                place,
                Place::main(at),
                "a failed condition names the first event that matches it"
            );
        }
        error => panic!("an event that a condition rules out fails the condition, not: {error}"),
    }
}

/// Asserts a refusal because stream `name` was tombstoned at version `at`.
pub(super) fn says_tombstoned(error: AppendError, name: &str, at: u64) {
    match error {
        AppendError::Tombstoned { stream, version } => {
            assert_eq!(
                stream.as_str(),
                name,
                "the error names the stream that was tombstoned"
            );
            assert_eq!(version, Version(at), "the error names its last version");
        }
        error => panic!("a tombstoned stream says so, and not: {error}"),
    }
}

pub(super) async fn last_position(store: &impl Store) -> Position {
    store
        .last_position(LogId::MAIN)
        .await
        .expect("a store knows its last position")
}

pub(super) async fn state_of(store: &impl Store, name: &str) -> StreamState {
    store
        .stream_state(&stream(name))
        .await
        .expect("a store knows the state of each stream")
}

/// Returns the next event of a [`Stream`], if it does not fail.
pub(super) async fn next<S: Store>(stream: &mut EventStream<'_, S>) -> Option<RecordedEvent> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context))
        .await
        .map(|event| event.expect("a store streams its events"))
}

/// Returns the next `count` events of a [`Stream`].
pub(super) async fn take<S: Store>(
    stream: &mut EventStream<'_, S>,
    count: usize,
) -> Vec<RecordedEvent> {
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        let Some(event) = next(stream).await else {
            panic!("a stream of events ended after {} of {count}", events.len());
        };
        events.push(event);
    }
    events
}

/// Returns the rest of a [`Stream`] that ends.
pub(super) async fn rest<S: Store>(mut stream: EventStream<'_, S>) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    while let Some(event) = next(&mut stream).await {
        events.push(event);
    }
    events
}

/// Returns whether a future is still waiting, polled once.
pub(super) async fn is_waiting<T>(future: impl Future<Output = T>) -> bool {
    let mut future = pin!(future);
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}
