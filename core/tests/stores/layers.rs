//! Layers over a store: each changes what it is for, and leaves all else to the store below.

use midgard::event::{NewEvent, RecordedEventRef};
use midgard::store::{
    Append, AppendError, AppendPart, Appended, EmbeddedStore, EntryWrite, ExpectedVersion, Layer,
    Layered, Operation, ReadEntries, ReadLog, ReadStream, StoreError, StreamState, Visit,
};
use midgard::{
    Context, Event, HandlerError, LogId, MemoryStore, Midgard, Position, Project, Projection,
    Store, StreamName, Version, View, Views, block_on,
};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longer than anything takes that works.
const LONG: Duration = Duration::from_secs(180);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "moved")]
struct Moved {
    address: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = address)]
struct Household {
    address: String,
    people: u64,
}

#[derive(Projection)]
#[projection(name = "households", events(Moved), views(Household))]
struct Households;

impl Project<Moved> for Households {
    async fn project(
        &self,
        event: Moved,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let address = event.address;
        let new = || Household {
            address: address.clone(),
            people: 0,
        };
        context.upsert::<Household>(&address, new, |household| household.people += 1)?;
        Ok(())
    }
}

/// Keeps payloads unreadable in the store below: the same bytes for the same payload, so that a retry is one.
struct Sealed<S>(S);

fn seal(payload: &[u8]) -> Vec<u8> {
    payload.iter().map(|byte| byte ^ 0x55).collect()
}

impl<S: Store> Sealed<S> {
    fn opening(
        visit: &mut Visit<'_>,
    ) -> impl FnMut(RecordedEventRef<'_>) -> ControlFlow<()> + Send {
        |event| {
            let payload = seal(event.payload);
            visit(RecordedEventRef {
                payload: &payload,
                ..event
            })
        }
    }
}

impl<S: Store> Layer for Sealed<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.0
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let mut sealed = Append::default();
        for AppendPart {
            stream,
            expected,
            mut events,
            ..
        } in append.into_parts()
        {
            for event in &mut events {
                event.payload = seal(&event.payload);
            }
            sealed = sealed.and(stream, expected, events);
        }
        self.0.append(sealed).await
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        self.0.read_stream(read, &mut Self::opening(visit)).await
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        self.0.read_log(read, &mut Self::opening(visit)).await
    }
}

/// Notes each operation, and its error, and refuses those that it is told to.
#[derive(Clone)]
struct Noted<S> {
    inner: S,
    name: &'static str,
    refused: Option<Operation>,
    notes: Arc<Mutex<Vec<String>>>,
}

impl<S: Store> Layer for Noted<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn around<T: Send, E: Error + From<StoreError> + Send>(
        &self,
        operation: Operation,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let note = |what: &str| {
            let note = format!("{} {operation} {what}", self.name);
            self.notes.lock().unwrap().push(note);
        };
        if self.refused == Some(operation) {
            return Err(E::from(StoreError::Closed {
                location: self.name.to_owned(),
            }));
        }
        note("begins");
        let outcome = call.await;
        note(if outcome.is_ok() { "is done" } else { "failed" });
        outcome
    }
}

fn stream() -> StreamName {
    StreamName::new("person-1").unwrap()
}

fn move_to(address: &str) -> Append {
    let address = address.to_owned();
    let event = NewEvent::encode(&Moved { address }).unwrap();
    Append::to(stream(), ExpectedVersion::Any, [event])
}

fn payloads(store: &impl Store) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let each = &mut |event: RecordedEventRef<'_>| {
        payloads.push(event.payload.to_vec());
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), each)).unwrap();
    payloads
}

#[test]
fn events_may_be_others_below_and_all_else_goes_on_as_it_was() {
    block_on(async {
        let below = MemoryStore::new();
        let store = Layered::new(Sealed(below.clone()));
        let append = move_to("Oslo");
        let first = store.append(append.clone()).await.unwrap();
        assert_eq!(store.append(append).await.unwrap(), first, "it is a retry");
        store.append(move_to("Oslo")).await.unwrap();
        let plain = br#"{"address":"Oslo"}"#;
        assert_eq!(payloads(&store), [plain, plain]);
        assert_eq!(payloads(&below), [seal(plain), seal(plain)]);
        let state = store.stream_state(&stream()).await.unwrap();
        assert_eq!(state.last, Version(2));
    });
}

#[test]
fn views_are_kept_in_a_layered_store_if_they_can_be_kept_in_the_one_below() {
    let below = MemoryStore::new();
    let store = Arc::new(Layered::new(Sealed(below.clone())));
    block_on(store.append(move_to("Oslo"))).unwrap();
    let last = block_on(store.append(move_to("Oslo"))).unwrap();
    let views = Views::new(Layered::new(Sealed(below)));
    let midgard = Midgard::new(store).project(Households, views.clone());
    let handle = midgard.handle();
    std::thread::scope(|scope| {
        scope.spawn(|| block_on(midgard.run()).unwrap());
        block_on(handle.wait_for("households", last.place(), LONG)).unwrap();
        handle.stop();
    });
    let household = views.snapshot().unwrap().get::<Household>("Oslo").unwrap();
    assert_eq!(household.unwrap().people, 2);
}

#[test]
fn every_operation_is_surrounded_once_by_each_layer_the_outer_one_first() {
    let notes = Arc::<Mutex<Vec<String>>>::default();
    let inner = Layered::new(Noted {
        inner: MemoryStore::new(),
        name: "inner",
        refused: None,
        notes: notes.clone(),
    });
    let store = Layered::new(Noted {
        inner,
        name: "outer",
        refused: None,
        notes: notes.clone(),
    });
    block_on(async {
        let go_on = &mut |_: RecordedEventRef<'_>| ControlFlow::Continue(());
        store.append(move_to("Oslo")).await.unwrap();
        store
            .read_stream(&ReadStream::forward(stream()), go_on)
            .await
            .unwrap();
        store.read_log(&ReadLog::forward(), go_on).await.unwrap();
        store.stream_state(&stream()).await.unwrap();
        store.last_position(LogId::MAIN).await.unwrap();
        store.wait_past(LogId::MAIN, Position::ZERO).await.unwrap();
        store
            .truncate(&stream(), Version(1), ExpectedVersion::Any)
            .await
            .unwrap();
        store
            .write_entries(EntryWrite::new().put(b"a", b"1"))
            .await
            .unwrap();
        let entries = &mut |_: &[u8], _: &[u8]| ControlFlow::Continue(());
        store
            .read_entries(&ReadEntries::prefix(b""), entries)
            .await
            .unwrap();
        store
            .tombstone(&stream(), ExpectedVersion::Any)
            .await
            .unwrap();
        store.append(move_to("Bergen")).await.unwrap_err();
    });
    let done = |operation: &str, end: &str| {
        [
            format!("outer {operation} begins"),
            format!("inner {operation} begins"),
            format!("inner {operation} {end}"),
            format!("outer {operation} {end}"),
        ]
    };
    let mut wanted: Vec<_> = [
        "append",
        "read_stream",
        "read_log",
        "stream_state",
        "last_position",
        "wait_past",
        "truncate",
        "write_entries",
        "read_entries",
        "tombstone",
    ]
    .iter()
    .flat_map(|operation| done(operation, "is done"))
    .collect();
    wanted.extend(done("append", "failed"));
    assert_eq!(*notes.lock().unwrap(), wanted);
}

#[test]
fn an_operation_that_is_refused_never_reaches_the_store_below() {
    let below = MemoryStore::new();
    let store = Layered::new(Noted {
        inner: below.clone(),
        name: "maintenance",
        refused: Some(Operation::Append),
        notes: Arc::default(),
    });
    let refused = block_on(store.append(move_to("Oslo")));
    assert!(matches!(
        refused,
        Err(AppendError::Store(StoreError::Closed { location })) if location == "maintenance"
    ));
    assert!(payloads(&below).is_empty());
    block_on(store.write_entries(EntryWrite::new().put(b"a", b"1"))).unwrap();
    let snapshot = below.snapshot().unwrap();
    assert_eq!(snapshot.get(b"a").unwrap(), Some(&b"1"[..]));
}
