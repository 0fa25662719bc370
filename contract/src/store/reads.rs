//! Reads that check invariants of every read, and what a store must have kept.

use super::kit::*;

/// Reads a stream; checks invariants of every such read.
pub(super) async fn read(
    store: &impl Store,
    read: &ReadStream,
) -> (Vec<RecordedEvent>, StreamState) {
    let mut events = Vec::new();
    let state = store
        .read_stream(read, &mut |event| {
            events.push(event.to_owned());
            stop_beyond(events.len(), read.limit)
        })
        .await
        .expect("a store reads its streams");
    assert_within(read.limit, &events);
    assert_ordered(read.direction, &events);
    for event in &events {
        assert_eq!(
            event.stream, read.stream,
            "a stream has only events of its own"
        );
        assert!(
            (state.first..=state.last).contains(&event.version),
            "a stream from version {} to {} has no version {}",
            state.first,
            state.last,
            event.version
        );
        assert!(
            match read.direction {
                Direction::Forward => event.version >= read.from,
                Direction::Backward => event.version <= read.from,
            },
            "a {:?} read from version {} does not give version {}",
            read.direction,
            read.from,
            event.version
        );
    }
    for pair in events.windows(2) {
        assert_eq!(
            pair[0].version.0.abs_diff(pair[1].version.0),
            1,
            "the versions of a stream have no gaps and no repeats, but {} follows {}",
            pair[1].version,
            pair[0].version
        );
    }
    (events, state)
}

/// Reads the log; checks invariants of every such read.
pub(super) async fn scan(store: &impl Store, read: &ReadLog) -> (Vec<RecordedEvent>, Position) {
    let mut events = Vec::new();
    let reached = store
        .read_log(read, &mut |event| {
            events.push(event.to_owned());
            stop_beyond(events.len(), read.limit)
        })
        .await
        .expect("a store reads its log");
    assert_within(read.limit, &events);
    assert_ordered(read.direction, &events);
    for event in &events {
        assert!(
            read.query.matches(&event.view()),
            "a read gives only what its query asks for, and not {event:?}"
        );
        assert!(
            match read.direction {
                Direction::Forward => (read.from..=reached).contains(&event.position),
                Direction::Backward => (reached..=read.from).contains(&event.position),
            },
            "a {:?} read from position {} that reached {reached} does not give position {}",
            read.direction,
            read.from,
            event.position
        );
    }
    (events, reached)
}

/// Ends a read that continues past its limit, or forever.
fn stop_beyond(count: usize, limit: u64) -> ControlFlow<()> {
    const FAR_TOO_MANY: usize = 1_000_000;
    if count as u64 > limit || count > FAR_TOO_MANY {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue(())
}

fn assert_within(limit: u64, events: &[RecordedEvent]) {
    assert!(
        events.len() as u64 <= limit,
        "a read with a limit of {limit} gives no more events than that"
    );
}

/// Asserts that positions, and with them times, go one way.
fn assert_ordered(direction: Direction, events: &[RecordedEvent]) {
    for pair in events.windows(2) {
        let (earlier, later) = match direction {
            Direction::Forward => (&pair[0], &pair[1]),
            Direction::Backward => (&pair[1], &pair[0]),
        };
        assert!(
            earlier.position < later.position,
            "a {direction:?} read gives each position once and in order, but {} follows {}",
            pair[1].position,
            pair[0].position
        );
        assert!(
            earlier.time <= later.time,
            "the time at position {} is not before the time at position {}",
            later.position,
            earlier.position
        );
    }
}

/// Returns all events of a stream.
pub(super) async fn history(store: &impl Store, name: &str) -> Vec<RecordedEvent> {
    read(store, &ReadStream::forward(stream(name))).await.0
}

/// Returns all events of the log.
pub(super) async fn log(store: &impl Store) -> Vec<RecordedEvent> {
    scan(store, &ReadLog::forward()).await.0
}

/// Returns the events of the log that match, as a forward read reports them; a backward one must agree.
pub(super) async fn matching(store: &impl Store, query: impl Into<Query>) -> Vec<RecordedEvent> {
    let query = query.into();
    let (found, _) = scan(store, &ReadLog::forward().matching(query.clone())).await;
    let (mut backward, _) = scan(store, &ReadLog::backward().matching(query)).await;
    backward.reverse();
    assert_list(
        &found,
        &backward,
        "the same query gives the same events in both directions",
    );
    found
}

/// Asserts that a stream has these events, from its first version on, and that the log has them too.
pub(super) async fn holds(store: &impl Store, name: &str, events: &[NewEvent]) {
    let recorded = history(store, name).await;
    assert_same(&recorded, events);
    assert_eq!(
        versions(&recorded),
        (1..=events.len() as u64).collect::<Vec<_>>(),
        "the versions of stream {name} count from 1"
    );
    let mut logged = log(store).await;
    logged.retain(|event| event.stream.as_str() == name);
    assert_list(
        &recorded,
        &logged,
        "the log has the same events as each stream",
    );
    let state = state_of(store, name).await;
    assert_eq!(
        state.last,
        Version(events.len() as u64),
        "the state of stream {name} has the version of its last event"
    );
}

/// Asserts that an event was recorded as it was appended, in every part.
pub(super) fn assert_same(recorded: &[RecordedEvent], appended: &[NewEvent]) {
    assert_list(
        &ids(recorded),
        &appended.iter().map(|event| event.id).collect::<Vec<_>>(),
        "a store gives back the events that were appended, each once, in order",
    );
    for (recorded, appended) in recorded.iter().zip(appended) {
        let id = appended.id;
        assert_eq!(recorded.name, appended.name, "event {id} keeps its name");
        assert_eq!(
            recorded.schema_version, appended.schema_version,
            "event {id} keeps the version of its payload"
        );
        assert_eq!(recorded.codec, appended.codec, "event {id} keeps its codec");
        assert!(
            recorded.payload == appended.payload,
            "event {id} keeps its payload of {} bytes",
            appended.payload.len()
        );
        assert_eq!(recorded.tags, appended.tags, "event {id} keeps its tags");
        assert_eq!(
            recorded.metadata, appended.metadata,
            "event {id} keeps its correlation, causation and headers"
        );
    }
}

pub(super) fn ids(events: &[RecordedEvent]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

pub(super) fn versions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.version.0).collect()
}

pub(super) fn positions(events: &[RecordedEvent]) -> Vec<Position> {
    events.iter().map(|event| event.position).collect()
}

/// Asserts that two lists are equal; prints only the first difference, as lists may be long.
pub(super) fn assert_list<T: PartialEq + std::fmt::Debug>(found: &[T], wanted: &[T], why: &str) {
    let differs = found
        .iter()
        .zip(wanted)
        .position(|(one, other)| one != other);
    if let Some(at) = differs {
        panic!(
            "{why}, but at {at} is {:?} and not {:?}",
            found[at], wanted[at]
        );
    }
    let (found, wanted) = (found.len(), wanted.len());
    assert_eq!(
        found, wanted,
        "{why}, but there are {found} and not {wanted}"
    );
}
