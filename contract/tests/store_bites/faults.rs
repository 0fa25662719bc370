//! The ways in which stores are broken.

use crate::broken::{Fault, change};
use midgard::event::{RecordedEvent, RecordedEventRef, Tags};
use midgard::store::{
    Append, AppendCondition, AppendError, Appended, Direction, ExpectedVersion, Query, QueryItem,
    ReadLog, ReadStream, StoreError, StreamState, StreamTombstoned,
};
use midgard::{
    Event as _, EventId, LogId, MemoryStore, Metadata, Place, Position, Store, StreamName,
    Timestamp, Version, limits,
};
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::task::Poll;
use std::thread;

macro_rules! fault {
    ($(#[$doc:meta])* $name:ident { $($body:tt)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name;

        impl Fault for $name { $($body)* }
    };
}

/// A fault in what is appended: `append` becomes something else.
macro_rules! append_fault {
    ($(#[$doc:meta])* $name:ident: |$append:ident| $change:expr) => {
        fault! {
            $(#[$doc])*
            $name {
                async fn append(
                    &self,
                    store: &MemoryStore,
                    $append: Append,
                ) -> Result<Appended, AppendError> {
                    store.append($change).await
                }
            }
        }
    };
}

/// A fault in what is read: `events` become something else.
macro_rules! events_fault {
    ($(#[$doc:meta])* $name:ident: |$events:ident| $change:expr) => {
        fault! {
            $(#[$doc])*
            $name {
                fn events(&self, mut $events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
                    $change;
                    $events
                }
            }
        }
    };
}

/// A fault in what is asked for: both kinds of `read` become something else.
macro_rules! read_fault {
    ($(#[$doc:meta])* $name:ident: |$read:ident| $change:expr) => {
        fault! {
            $(#[$doc])*
            $name {
                fn read_stream(&self, mut $read: ReadStream) -> ReadStream {
                    $change;
                    $read
                }

                fn read_log(&self, mut $read: ReadLog) -> ReadLog {
                    $change;
                    $read
                }
            }
        }
    };
}

fault! {
    NoFault {}
}

append_fault! {
    DropsAnEvent: |append| change(append, |mut part| {
        if part.events.len() > 2 {
            part.events.pop();
        }
        part
    })
}

append_fault! {
    IgnoresExpectedVersions: |append| change(append, |mut part| {
        part.expected = ExpectedVersion::Any;
        part
    })
}

append_fault! {
    IgnoresLogsOfConditions: |append| match append.condition().cloned() {
        Some(condition) => append.unless(AppendCondition {
            after: Place::main(condition.after.position),
            ..condition
        }),
        None => append,
    }
}

append_fault! {
    IgnoresConditions: |append| {
        let parts = append.into_parts().into_iter();
        parts.fold(Append::default(), |append, part| {
            append.and(part.stream, part.expected, part.events)
        })
    }
}

append_fault! {
    /// Rather cuts than refuses.
    SkipsLimits: |append| change(append, |mut part| {
        part.events.truncate(limits::EVENTS_PER_APPEND);
        for event in &mut part.events {
            let name = event.name.floor_char_boundary(limits::EVENT_NAME_BYTES);
            event.name = event.name[..name].to_owned().into();
            event.payload.truncate(limits::PAYLOAD_BYTES);
        }
        part
    })
}

append_fault! {
    /// Leaves out what goes beyond the limit, but for payloads.
    CountsNoHeaders: |append| match append.bytes() > limits::APPEND_BYTES {
        true => change(append, |mut part| {
            for event in &mut part.events {
                event.metadata = Metadata::new();
                event.tags = Tags::new();
            }
            part
        }),
        false => append,
    }
}

/// Lets others wait a turn.
async fn wait() {
    let mut waited = false;
    poll_fn(|context| match std::mem::replace(&mut waited, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// Has room for a few appends at once, and what was abandoned has its room for ever.
#[derive(Default)]
pub(crate) struct KeepsRoom(AtomicUsize);

impl Fault for KeepsRoom {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        while self.0.load(Ordering::SeqCst) >= 8 {
            wait().await;
        }
        self.0.fetch_add(1, Ordering::SeqCst);
        wait().await;
        let appended = store.append(append).await;
        self.0.fetch_sub(1, Ordering::SeqCst);
        appended
    }
}

fault! {
    /// Appends event by event, and waits between them.
    TearsAbandoned {
        async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
            let mut appended = store.append(Append::default()).await?;
            for part in append.into_parts() {
                for event in part.events {
                    appended = store.append(Append::to(part.stream.clone(), ExpectedVersion::Any, [event])).await?;
                    wait().await;
                }
            }
            Ok(appended)
        }
    }
}

append_fault! {
    CutsPayloads: |append| change(append, |mut part| {
        part.events.iter_mut().for_each(|event| event.payload.truncate(0xffff));
        part
    })
}

append_fault! {
    TrimsTexts: |append| change(append, |mut part| {
        for event in &mut part.events {
            event.name = event.name.trim().to_owned().into();
        }
        part
    })
}

fault! {
    TearsParts {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            let condition = append.condition().cloned();
            let mut answer = Appended::new(LogId::MAIN, None, Vec::new());
            for (index, part) in append.into_parts().into_iter().enumerate() {
                let mut append = Append::to(part.stream, part.expected, part.events);
                if let Some(condition) = condition.clone().filter(|_| index == 0) {
                    append = append.unless(condition);
                }
                let appended = store.append(append).await?;
                answer.position = appended.position.or(answer.position);
                answer.versions.extend(appended.versions.iter().copied());
            }
            Ok(answer)
        }
    }
}

fault! {
    TearsEvents {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            if append.parts().len() != 1 || append.condition().is_some() {
                return store.append(append).await;
            }
            let mut answer = Appended::new(LogId::MAIN, None, vec![Version::ZERO]);
            for part in append.into_parts() {
                let mut expected = part.expected;
                for event in part.events {
                    let append = Append::to(part.stream.clone(), expected, [event]);
                    answer = store.append(append).await?;
                    expected = answer.version().into();
                    thread::yield_now();
                }
            }
            Ok(answer)
        }
    }
}

fault! {
    /// Answers as if all were there.
    StopsMidway {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            let mut lost = Vec::new();
            let half = change(append, |mut part| {
                let kept = part.events.len().min(1000);
                lost.push(part.events.split_off(kept).len() as u64);
                part
            });
            let mut answer = store.append(half).await?;
            for (version, lost) in answer.versions.iter_mut().zip(lost) {
                version.0 += lost;
            }
            Ok(answer)
        }
    }
}

fault! {
    /// Looks first and appends later, when others may have appended.
    ChecksTooEarly {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            for part in append.parts() {
                let actual = store.stream_state(&part.stream).await?.last;
                if !part.expected.accepts(actual) {
                    return Err(AppendError::Conflict {
                        stream: part.stream.clone(),
                        expected: part.expected,
                        actual,
                    });
                }
            }
            (0..50).for_each(|_| thread::yield_now());
            let unchecked = change(append, |mut part| {
                part.expected = ExpectedVersion::Any;
                part
            });
            store.append(unchecked).await
        }
    }
}

fault! {
    /// Reads what a condition forbids first and appends later, when others may have appended.
    ChecksConditionsTooEarly {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            if let Some(condition) = append.condition().cloned() {
                let after = condition.after;
                let read = ReadLog::forward().after(after.position).limit(1);
                let mut first = None;
                let visit = &mut |event: RecordedEventRef<'_>| {
                    first = Some(Place::main(event.position));
                    ControlFlow::Continue(())
                };
                store.read_log(&read.matching(condition.query), visit).await?;
                if let Some(place) = first {
                    return Err(AppendError::ConditionFailed { after, place });
                }
                wait().await;
            }
            let parts = append.into_parts().into_iter();
            let unchecked = parts.fold(Append::default(), |append, part| {
                append.and(part.stream, part.expected, part.events)
            });
            store.append(unchecked).await
        }
    }
}

/// Gives an id that a stream already has a new one.
#[derive(Default)]
pub(crate) struct ForgetsIds(Mutex<HashSet<(StreamName, EventId)>>);

impl Fault for ForgetsIds {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let mut seen = HashSet::new();
        let renamed = change(append, |mut part| {
            let known = self.0.lock().unwrap();
            for event in &mut part.events {
                if known.contains(&(part.stream.clone(), event.id)) {
                    event.id = EventId::new();
                }
                seen.insert((part.stream.clone(), event.id));
            }
            part
        });
        let appended = store.append(renamed).await?;
        self.0.lock().unwrap().extend(seen);
        Ok(appended)
    }
}

/// Appends what it does not know of a batch.
#[derive(Default)]
pub(crate) struct AcceptsPartlyKnown(Mutex<HashSet<(StreamName, EventId)>>);

impl Fault for AcceptsPartlyKnown {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let all: Vec<_> = append
            .parts()
            .iter()
            .flat_map(|part| {
                part.events
                    .iter()
                    .map(|event| (part.stream.clone(), event.id))
            })
            .collect();
        let rest = change(append, |mut part| {
            let known = self.0.lock().unwrap();
            let is_new = |id| !known.contains(&(part.stream.clone(), id));
            if part.events.iter().any(|event| is_new(event.id)) {
                part.events.retain(|event| is_new(event.id));
            }
            part
        });
        let appended = store.append(rest).await?;
        self.0.lock().unwrap().extend(all);
        Ok(appended)
    }
}

fault! {
    AnswersFirstPosition {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            let events = append.events().count() as u64;
            let mut answer = store.append(append).await?;
            if let Some(position) = &mut answer.position {
                position.0 -= events - 1;
            }
            Ok(answer)
        }
    }
}

events_fault! {
    LosesOneOfMany: |events| events.retain(|event| event.position.0 % 257 != 0)
}

events_fault! {
    RepeatsOneOfMany: |events| if let Some(last) = events.get(256).cloned() {
        events.insert(256, last);
    }
}

events_fault! {
    Reorders: |events| events.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1))
}

/// Exchanges a field of neighbouring events.
macro_rules! mixes {
    ($name:ident, $field:ident) => {
        events_fault! {
            $name: |events| for pair in events.chunks_exact_mut(2) {
                let (one, other) = pair.split_at_mut(1);
                std::mem::swap(&mut one[0].$field, &mut other[0].$field);
            }
        }
    };
}

mixes!(MixesPayloads, payload);
mixes!(MixesTags, tags);
mixes!(MixesMetadata, metadata);

events_fault! {
    SwapsCorrelation: |events| for event in &mut events {
        let mut swapped = Metadata::new().with_headers(event.metadata.headers().to_owned());
        if let Some(id) = event.metadata.causation_id() {
            swapped = swapped.with_correlation_id(id);
        }
        if let Some(id) = event.metadata.correlation_id() {
            swapped = swapped.with_causation_id(id);
        }
        event.metadata = swapped;
    }
}

events_fault! {
    LetsTimeGoBack: |events| for event in &mut events {
        event.time = Timestamp::from_micros(event.time.as_micros() - event.position.0);
    }
}

fn folded(stream: &StreamName) -> StreamName {
    StreamName::new(stream.as_str().to_lowercase()).unwrap_or_else(|_| stream.clone())
}

fault! {
    FoldsCase {
        async fn append(
            &self,
            store: &MemoryStore,
            append: Append,
        ) -> Result<Appended, AppendError> {
            let folded = change(append, |mut part| {
                part.stream = folded(&part.stream);
                part
            });
            store.append(folded).await
        }

        fn read_stream(&self, mut read: ReadStream) -> ReadStream {
            read.stream = folded(&read.stream);
            read
        }
    }
}

read_fault! { IgnoresLimits: |read| read.limit = u64::MAX }
read_fault! { IgnoresFrom: |read| read.from.0 = if read.direction == Direction::Forward { 1 } else { u64::MAX } }
read_fault! { BeginsTooLate: |read| read.from = read.from.next() }
read_fault! { ReadsForward: |read| if read.direction == Direction::Backward {
    read.direction = Direction::Forward;
    read.from.0 = 1;
} }

fault! {
    IgnoresBreak { const BREAKS: bool = false; }
}

fault! {
    HoldsTheThread { const GIVES_WAY: bool = false; }
}

fault! {
    ForgetsOnOpening { const FORGETS: bool = true; }
}

fault! {
    ReadsAnyLog {
        fn read_log(&self, read: ReadLog) -> ReadLog {
            read.log(LogId::MAIN)
        }
    }
}

fault! {
    ListsAnotherLog {
        async fn logs(&self, store: &MemoryStore) -> Result<Vec<LogId>, StoreError> {
            let mut logs = store.logs().await?;
            logs.push(LogId(7));
            Ok(logs)
        }
    }
}

fault! {
    ListsNoLogs {
        async fn logs(&self, _: &MemoryStore) -> Result<Vec<LogId>, StoreError> {
            Ok(Vec::new())
        }
    }
}

fault! {
    AnyTag {
        fn read_log(&self, read: ReadLog) -> ReadLog {
            let mut query = Query::all();
            for item in read.query.items() {
                let named = || item.names().iter().fold(QueryItem::new(), QueryItem::name);
                if item.tags().is_empty() {
                    query = query.or(named());
                }
                query = item.tags().iter().fold(query, |query, tag| query.or(named().tag(tag)));
            }
            read.matching(query)
        }
    }
}

fault! {
    /// Heeds but the first tag of an item where it reads backward.
    OneTagBackward {
        fn read_log(&self, read: ReadLog) -> ReadLog {
            if read.direction == Direction::Forward {
                return read;
            }
            let items = read.query.items().iter();
            let query = items.fold(Query::all(), |query, item| {
                let named = item.names().iter().fold(QueryItem::new(), QueryItem::name);
                query.or(item.tags().iter().take(1).fold(named, QueryItem::tag))
            });
            read.matching(query)
        }
    }
}

/// Queries are answered by what there was when the first one was asked.
#[derive(Default)]
pub(crate) struct IndexesOnce {
    is_query: AtomicBool,
    end: OnceLock<Position>,
}

impl Fault for IndexesOnce {
    fn read_log(&self, read: ReadLog) -> ReadLog {
        let is_query = !read.query.items().is_empty();
        self.is_query.store(is_query, Ordering::SeqCst);
        read
    }

    fn logged(&self, mut events: Vec<RecordedEvent>, end: Position) -> Vec<RecordedEvent> {
        if self.is_query.load(Ordering::SeqCst) {
            let end = self.end.get_or_init(|| end);
            events.retain(|event| event.position <= *end);
        }
        events
    }
}

fault! {
    OneItem {
        fn read_log(&self, read: ReadLog) -> ReadLog {
            match read.query.items().first().cloned() {
                Some(first) => read.matching(first),
                None => read,
            }
        }
    }
}

fault! {
    /// Hides an event at an odd position while it is the last but one.
    ShowsLate {
        fn logged(&self, mut events: Vec<RecordedEvent>, end: Position) -> Vec<RecordedEvent> {
            events.retain(|event| event.position.next() != end || event.position.0 % 2 == 0);
            events
        }
    }
}

fault! {
    ReachesTooFar {
        fn reached(&self, position: Position) -> Position {
            position.next()
        }
    }
}

fault! {
    NeverWaits {
        async fn wait_past(
            &self,
            store: &MemoryStore,
            log: LogId,
            _: Position,
        ) -> Result<(), StoreError> {
            store.last_position(log).await.map(|_| ())
        }
    }
}

fault! {
    TakesBackPositions {
        async fn last_position(
            &self,
            store: &MemoryStore,
            log: LogId,
        ) -> Result<Position, StoreError> {
            let mut last = Position::ZERO;
            let read = ReadLog::backward().log(log).limit(1);
            store
                .read_log(&read, &mut |event| {
                    last = event.position;
                    ControlFlow::Break(())
                })
                .await?;
            Ok(last)
        }
    }
}

fault! {
    IgnoresTruncations {
        async fn truncate(
            &self,
            _: &MemoryStore,
            _: &StreamName,
            _: Version,
            _: ExpectedVersion,
        ) -> Result<(), AppendError> {
            Ok(())
        }
    }
}

fault! {
    /// Only removes the events.
    IgnoresTombstones {
        async fn tombstone(
            &self,
            store: &MemoryStore,
            stream: &StreamName,
            expected: ExpectedVersion,
        ) -> Result<(), AppendError> {
            store.truncate(stream, Version::MAX, expected).await
        }
    }
}

fault! {
    /// Passes over tombstones, whoever asks for them.
    TellsOfNoTombstones {
        fn events(&self, events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
            let is_event = |event: &RecordedEvent| event.name != StreamTombstoned::NAME;
            events.into_iter().filter(is_event).collect()
        }
    }
}

/// Counts the versions of a truncated stream from 1 again.
#[derive(Default)]
pub(crate) struct RestartsVersions(Mutex<HashMap<String, u64>>);

impl RestartsVersions {
    fn removed(&self, stream: &str) -> u64 {
        self.0
            .lock()
            .unwrap()
            .get(stream)
            .copied()
            .unwrap_or_default()
    }
}

impl Fault for RestartsVersions {
    async fn append(&self, store: &MemoryStore, append: Append) -> Result<Appended, AppendError> {
        let streams: Vec<_> = append
            .parts()
            .iter()
            .map(|part| part.stream.clone())
            .collect();
        let shifted = change(append, |mut part| {
            let removed = self.removed(part.stream.as_str());
            part.expected = match part.expected {
                ExpectedVersion::Exact(Version(version)) => {
                    Version(version.saturating_add(removed)).into()
                }
                ExpectedVersion::NoStream => Version(removed).into(),
                open => open,
            };
            part
        });
        let mut answer = store.append(shifted).await?;
        for (version, stream) in answer.versions.iter_mut().zip(&streams) {
            version.0 -= self.removed(stream.as_str());
        }
        Ok(answer)
    }

    fn read_stream(&self, mut read: ReadStream) -> ReadStream {
        let removed = self.removed(read.stream.as_str());
        read.from.0 = read.from.0.saturating_add(removed);
        read
    }

    fn events(&self, mut events: Vec<RecordedEvent>) -> Vec<RecordedEvent> {
        for event in &mut events {
            event.version.0 -= self.removed(event.stream.as_str());
        }
        events
    }

    fn state(&self, stream: &StreamName, mut state: StreamState) -> StreamState {
        let removed = self.removed(stream.as_str());
        state.last.0 -= removed;
        state.first.0 -= removed;
        state
    }

    async fn truncate(
        &self,
        store: &MemoryStore,
        stream: &StreamName,
        before: Version,
        expected: ExpectedVersion,
    ) -> Result<(), AppendError> {
        store.truncate(stream, before, expected).await?;
        let removed = store.stream_state(stream).await?.first.0 - 1;
        self.0.lock().unwrap().insert(stream.to_string(), removed);
        Ok(())
    }
}
