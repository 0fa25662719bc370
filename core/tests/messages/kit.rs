//! What the tests share: a service with an inbox, stores and buses that fail as they are told, and a few words.

use event_listener::Event as Notify;
use midgard::bus::{
    BusError, Deliveries, InProcessBus, Message, Published, Publisher, Queue, Received, Settle,
    Subscriber, Verdict,
};
use midgard::consumer::{FailurePolicy, RunError};
use midgard::event::NewEvent;
use midgard::inbox::{InboxOptions, ParkedMessage};
use midgard::store::{
    Append, Appended, EntryError, EntryWrite, ExpectedVersion, Layer, Layered, ReadEntries,
    ReadStream, StreamState, Visit,
};
use midgard::store::{AppendError, StoreError, give_way};
use midgard::{
    Aggregate, Apply, Command, Event, Events, Handle, HandlerError, Inbox, MemoryStore,
    MessageContext, Midgard, MidgardHandle, Place, Position, Refused, RemoteCommand, Store,
    StreamName, Subscribe, block_on, events,
};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// What others tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "told")]
#[publish(key = key)]
pub(crate) struct Told {
    pub(crate) key: String,
    pub(crate) number: u64,
}

/// What the service makes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "noted")]
#[publish]
pub(crate) struct Noted {
    pub(crate) number: u64,
}

/// All that was noted of a key.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "notes", id = String, events(Noted))]
pub(crate) struct Notes {
    numbers: Vec<u64>,
}

impl Apply<Noted> for Notes {
    fn apply(&mut self, event: Noted) {
        self.numbers.push(event.number);
    }
}

pub(crate) struct Note(pub(crate) u64);

impl Command<Notes> for Note {
    type Error = Infallible;

    fn decide(&self, _: &Notes) -> Result<Events<Notes>, Infallible> {
        Ok(events![Noted { number: self.0 }])
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "count", service = "service", key = key, reply = Counted)]
pub(crate) struct Count {
    pub(crate) key: String,
    pub(crate) number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "counted")]
pub(crate) struct Counted {
    pub(crate) notes: usize,
}

type Before = dyn FnMut(u64) + Send;

/// What handlers are to do, and what they were called with.
#[derive(Default)]
pub(crate) struct Script {
    calls: Mutex<Vec<u64>>,
    failures: Mutex<HashMap<u64, u32>>,
    panics: Mutex<Vec<u64>>,
    closed: Mutex<Vec<u64>>,
    changed: Notify,
    /// Called before the effect.
    pub(crate) before: Mutex<Option<Box<Before>>>,
    /// How often a handler gives way to others.
    pub(crate) turns: AtomicU32,
}

impl Script {
    /// Fails on a number so many times.
    pub(crate) fn fail(&self, number: u64, times: u32) {
        self.failures.lock().unwrap().insert(number, times);
    }

    pub(crate) fn panic(&self, number: u64) {
        self.panics.lock().unwrap().push(number);
    }

    /// Lets the handler of a number wait until it is opened.
    pub(crate) fn close(&self, number: u64) {
        self.closed.lock().unwrap().push(number);
    }

    pub(crate) fn open(&self) {
        self.closed.lock().unwrap().clear();
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn open_only(&self, number: u64) {
        self.closed.lock().unwrap().retain(|other| *other != number);
        self.changed.notify(usize::MAX);
    }

    pub(crate) fn calls(&self) -> Vec<u64> {
        self.calls.lock().unwrap().clone()
    }

    /// Waits until the handler was called so often.
    pub(crate) fn wait_for_calls(&self, calls: usize) {
        let wait = async {
            loop {
                let changed = self.changed.listen();
                if self.calls.lock().unwrap().len() >= calls {
                    return;
                }
                changed.await;
            }
        };
        within(wait);
    }

    async fn play(&self, number: u64) -> Result<(), HandlerError> {
        self.calls.lock().unwrap().push(number);
        self.changed.notify(usize::MAX);
        loop {
            let changed = self.changed.listen();
            if !self.closed.lock().unwrap().contains(&number) {
                break;
            }
            changed.await;
        }
        for _ in 0..self.turns.load(Ordering::SeqCst) * (number % 7) as u32 {
            give_way().await;
        }
        if let Some(before) = &mut *self.before.lock().unwrap() {
            before(number);
        }
        assert!(!self.panics.lock().unwrap().contains(&number), "bad luck");
        let mut failures = self.failures.lock().unwrap();
        match failures.get_mut(&number) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(format!("no {number} today").into())
            }
            _ => Ok(()),
        }
    }
}

/// The service under test.
#[derive(Inbox)]
#[inbox(name = "service", events(Told), commands(Count))]
pub(crate) struct Service(pub(crate) Arc<Script>);

impl Subscribe<Told> for Service {
    async fn receive(
        &self,
        told: Told,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        let Told { key, number } = told;
        context.load::<Notes>(&key).await?;
        self.0.play(number).await?;
        context.execute::<Notes, _>(&key, &Note(number)).await?;
        Ok(())
    }
}

impl Handle<Count> for Service {
    async fn handle(
        &self,
        count: Count,
        context: &mut MessageContext<'_>,
    ) -> Result<Counted, HandlerError> {
        let Count { key, number } = count;
        let notes = context.execute::<Notes, _>(&key, &Note(number)).await?;
        let notes = notes.numbers.len();
        self.0.play(number).await?;
        if number == 13 {
            return Err(Refused::new("13 brings bad luck").into());
        }
        Ok(Counted { notes })
    }
}

/// A message of the service `orders`. The number makes its id.
pub(crate) fn told(key: &str, number: u64) -> Message {
    let told = Told {
        key: key.to_owned(),
        number,
    };
    let data = serde_json::to_vec(&told).unwrap();
    Message::event("orders", Told::NAME, 1, data)
        .with_id(format!("message-{number}"))
        .with_key(key)
}

/// The numbers that were noted of a key, in the order of its stream.
pub(crate) fn noted(store: &impl Store, key: &str) -> Vec<u64> {
    let stream = StreamName::new(format!("notes-{key}")).unwrap();
    let mut numbers = Vec::new();
    let read = ReadStream::forward(stream);
    let mut each = |event: midgard::event::RecordedEventRef<'_>| {
        numbers.push(event.decode::<Noted>().unwrap().number);
        ControlFlow::Continue(())
    };
    block_on(store.read_stream(&read, &mut each)).unwrap();
    numbers
}

pub(crate) fn tell(store: &impl Store, stream: &str, key: &str, number: u64) -> Position {
    let told = Told {
        key: key.to_owned(),
        number,
    };
    append(store, stream, NewEvent::encode(&told).unwrap())
}

pub(crate) fn append(store: &impl Store, stream: &str, event: NewEvent) -> Position {
    let stream = StreamName::new(stream).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    block_on(store.append(append)).unwrap().position.unwrap()
}

/// All notes whose keys begin with a prefix, without it.
pub(crate) fn notes(store: &impl Store, prefix: &str) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    let read = ReadEntries::prefix(prefix.as_bytes());
    let each = &mut |key: &[u8], note: &[u8]| {
        let key = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        notes.push((key, String::from_utf8_lossy(note).into_owned()));
        ControlFlow::Continue(())
    };
    block_on(store.read_entries(&read, each)).unwrap();
    notes
}

pub(crate) fn publish(bus: &impl Publisher, messages: &[Message]) {
    within(bus.publish(messages)).unwrap();
}

/// Waits for a future that ends when all is well.
pub(crate) fn within<T>(future: impl Future<Output = T>) -> T {
    let alarm = futures_timer::Delay::new(LONG);
    let future = std::pin::pin!(future);
    match block_on(futures_util::future::select(future, alarm)) {
        futures_util::future::Either::Left((outcome, _)) => outcome,
        futures_util::future::Either::Right(_) => panic!("waited for {LONG:?}"),
    }
}

pub(crate) fn parking() -> InboxOptions {
    InboxOptions::new().on_failure(FailurePolicy::retry(0).then_park())
}

/// A program that runs in a thread of its own.
pub(crate) struct Running {
    pub(crate) handle: MidgardHandle,
    thread: thread::JoinHandle<Result<(), RunError>>,
}

pub(crate) fn start<S: Store + Clone>(midgard: Midgard<S>) -> Running {
    within(midgard.declare()).unwrap();
    start_undeclared(midgard)
}

pub(crate) fn start_undeclared<S: Store + Clone>(midgard: Midgard<S>) -> Running {
    let handle = midgard.handle();
    let thread = thread::spawn(|| block_on(midgard.run()));
    Running { handle, thread }
}

impl Running {
    pub(crate) fn wait(&self, name: &str, position: Position) {
        block_on(self.handle.wait_for(name, Place::main(position), LONG)).unwrap();
    }

    pub(crate) fn wait_until(
        &self,
        name: &str,
        wanted: impl Fn(&midgard::consumer::Status) -> bool + Send,
    ) {
        block_on(self.handle.wait_until(name, LONG, wanted)).unwrap();
    }

    /// Waits until the parked messages are as wanted.
    pub(crate) fn wait_for_parked(&self, wanted: impl Fn(&[ParkedMessage]) -> bool) {
        within(async {
            while !wanted(&self.handle.parked_messages("service").await.unwrap()) {
                futures_timer::Delay::new(Duration::from_millis(1)).await;
            }
        });
    }

    /// The parked messages: their numbers here, the names of their ids, and why.
    pub(crate) fn parked(&self) -> Vec<(String, String, String)> {
        let parked = block_on(self.handle.parked_messages("service")).unwrap();
        let shown = parked.into_iter().map(|parked| {
            let id = parked
                .content
                .map_or_else(|_| String::new(), |message| message.id);
            (parked.number, id, parked.error)
        });
        shown.collect()
    }

    pub(crate) fn parked_ids(&self) -> Vec<String> {
        self.parked().into_iter().map(|(_, id, _)| id).collect()
    }

    pub(crate) fn end(self) -> Result<(), RunError> {
        let end = std::time::Instant::now() + LONG;
        while !self.thread.is_finished() {
            assert!(std::time::Instant::now() < end, "it does not end");
            thread::sleep(Duration::from_millis(1));
        }
        self.thread.join().unwrap()
    }

    pub(crate) fn stop(self) -> Result<(), RunError> {
        self.handle.stop();
        self.end()
    }
}

/// What commits and reads of a store do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Nothing is committed.
    Fail,
    /// It is committed, and nobody knows.
    Forget,
}

/// A store whose commits and loads fail as they are told.
pub(crate) type FaultyStore = Layered<Faults>;

#[derive(Clone, Default)]
pub(crate) struct Faults {
    inner: MemoryStore,
    commits: Arc<Mutex<VecDeque<Fault>>>,
    loads: Arc<Mutex<u32>>,
}

impl Faults {
    /// What the next commits do that write a note that begins so.
    pub(crate) fn fail_commits(&self, faults: impl IntoIterator<Item = Fault>) {
        self.commits.lock().unwrap().extend(faults);
    }

    pub(crate) fn fail_loads(&self, loads: u32) {
        *self.loads.lock().unwrap() = loads;
    }

    fn fault(&self, write: Option<&EntryWrite>) -> Option<Fault> {
        let is_meant = write.is_some_and(|write| {
            let mut keys = write.changes().iter();
            keys.any(|(key, _)| key.starts_with(b"inbox/"))
        });
        is_meant.then(|| self.commits.lock().unwrap().pop_front())?
    }
}

fn broken() -> StoreError {
    StoreError::Backend {
        action: "write",
        cause: "the disk is on fire".into(),
    }
}

fn unknown() -> StoreError {
    StoreError::OutcomeUnknown {
        reason: "the power went".to_owned(),
    }
}

impl Layer for Faults {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        match self.fault(append.entries()) {
            Some(Fault::Fail) => Err(broken().into()),
            Some(Fault::Forget) => {
                self.inner.append(append).await?;
                Err(unknown().into())
            }
            None => self.inner.append(append).await,
        }
    }

    async fn read_stream(
        &self,
        read: &ReadStream,
        visit: &mut Visit<'_>,
    ) -> Result<StreamState, StoreError> {
        let fails = {
            let mut loads = self.loads.lock().unwrap();
            let fails = *loads > 0;
            *loads = loads.saturating_sub(1);
            fails
        };
        if fails {
            return Err(broken());
        }
        self.inner.read_stream(read, visit).await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        match self.fault(Some(&write)) {
            Some(Fault::Fail) => Err(broken().into()),
            Some(Fault::Forget) => {
                self.inner.write_entries(write).await?;
                Err(unknown().into())
            }
            None => self.inner.write_entries(write).await,
        }
    }
}

pub(crate) fn unavailable() -> BusError {
    BusError::Unavailable {
        location: "nowhere".to_owned(),
        action: "be reached",
        cause: "no route".into(),
    }
}

/// A bus that keeps what is published to it, and is as bad as it is told.
#[derive(Clone, Default)]
pub(crate) struct Outlet(Arc<OutletState>);

#[derive(Default)]
struct OutletState {
    published: Mutex<Vec<Message>>,
    is_down: AtomicBool,
    hangs: AtomicBool,
    calls: AtomicU32,
    /// The names of messages, or their numbers, that are refused, and that nobody has a queue for.
    refused: Mutex<Vec<String>>,
    unheard: Mutex<Vec<String>>,
    /// For how many more messages there is room, where that is limited.
    room: Mutex<Option<usize>>,
    changed: Notify,
}

impl Outlet {
    /// Has room for so many more messages only.
    pub(crate) fn set_room(&self, messages: usize) {
        *self.0.room.lock().unwrap() = Some(messages);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    pub(crate) fn set_hangs(&self, hangs: bool) {
        self.0.hangs.store(hangs, Ordering::SeqCst);
    }

    /// Refuses messages whose payload has this text.
    pub(crate) fn refuse(&self, texts: &[&str]) {
        *self.0.refused.lock().unwrap() = texts.iter().map(|text| (*text).to_owned()).collect();
    }

    /// Has no queue for messages whose payload has this text.
    pub(crate) fn unhear(&self, texts: &[&str]) {
        *self.0.unheard.lock().unwrap() = texts.iter().map(|text| (*text).to_owned()).collect();
    }

    /// What has arrived.
    pub(crate) fn published(&self) -> Vec<Message> {
        self.0.published.lock().unwrap().clone()
    }

    /// How often something was published to it, or tried to be.
    pub(crate) fn calls(&self) -> u32 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// The numbers of what has arrived.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let published = self.published();
        published.iter().map(number).collect()
    }

    pub(crate) fn wait_for(&self, messages: usize) {
        self.wait_until(|published| published.len() >= messages);
    }

    pub(crate) fn wait_until(&self, wanted: impl Fn(&[Message]) -> bool) {
        within(async {
            loop {
                let changed = self.0.changed.listen();
                if wanted(&self.0.published.lock().unwrap()) {
                    return;
                }
                changed.await;
            }
        });
    }
}

pub(crate) fn number(message: &Message) -> u64 {
    let value: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    value["number"].as_u64().unwrap_or_default()
}

fn has(message: &Message, texts: &Mutex<Vec<String>>) -> bool {
    let payload = String::from_utf8_lossy(&message.payload).into_owned();
    texts
        .lock()
        .unwrap()
        .iter()
        .any(|text| payload.contains(text))
}

impl Publisher for Outlet {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        if self.0.is_down.load(Ordering::SeqCst) {
            return Err(unavailable());
        }
        let mut unheard = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            if has(message, &self.0.refused) {
                return Err(BusError::Refused {
                    id: message.id.clone(),
                    name: message.name.clone(),
                    reason: "it is too large".to_owned(),
                });
            }
            if has(message, &self.0.unheard) {
                unheard.push(index);
                continue;
            }
            if let Some(room) = &mut *self.0.room.lock().unwrap() {
                let Some(left) = room.checked_sub(1) else {
                    self.0.changed.notify(usize::MAX);
                    return Err(BusError::Full {
                        location: "here".to_owned(),
                        confirmed: index,
                        unheard,
                        reason: "there is no room".to_owned(),
                    });
                };
                *room = left;
            }
            self.0.published.lock().unwrap().push(message.clone());
        }
        self.0.changed.notify(usize::MAX);
        if self.0.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(Published::but(unheard))
    }
}

/// A bus whose only queue is filled by hand.
#[derive(Clone, Default)]
pub(crate) struct Feed(Arc<FeedState>);

#[derive(Default)]
struct FeedState {
    next: Mutex<VecDeque<Result<Message, BusError>>>,
    refusals: Mutex<VecDeque<BusError>>,
    verdicts: Mutex<Vec<(String, Verdict)>>,
    changed: Notify,
}

impl Feed {
    pub(crate) fn put(&self, items: impl IntoIterator<Item = Result<Message, BusError>>) {
        self.0.next.lock().unwrap().extend(items);
        self.0.changed.notify(usize::MAX);
    }

    /// What the next subscribers are told.
    pub(crate) fn refuse(&self, errors: impl IntoIterator<Item = BusError>) {
        self.0.refusals.lock().unwrap().extend(errors);
    }

    /// The ids of what was acknowledged.
    pub(crate) fn acknowledged(&self) -> Vec<String> {
        let verdicts = self.0.verdicts.lock().unwrap();
        let acknowledged = verdicts
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Acknowledge);
        acknowledged.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn wait_for_acknowledged(&self, id: &str) {
        within(async {
            loop {
                let changed = self.0.changed.listen();
                if self.acknowledged().iter().any(|one| one == id) {
                    return;
                }
                changed.await;
            }
        });
    }
}

impl Subscriber for Feed {
    type Deliveries = Feed;

    async fn declare(&self, _: &Queue) -> Result<(), BusError> {
        Ok(())
    }

    async fn subscribe(&self, _: &Queue) -> Result<Feed, BusError> {
        let refusal = self.0.refusals.lock().unwrap().pop_front();
        refusal.map_or_else(|| Ok(self.clone()), Err)
    }
}

impl Deliveries for Feed {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            let changed = self.0.changed.listen();
            let next = self.0.next.lock().unwrap().pop_front();
            if let Some(next) = next {
                let message = next?;
                let settling = Settling(self.0.clone(), message.id.clone());
                return Ok(Received::new(Ok(message), false, settling));
            }
            changed.await;
        }
    }
}

struct Settling(Arc<FeedState>, String);

impl Settle for Settling {
    fn settle(
        self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        let Settling(feed, id) = *self;
        Box::pin(async move {
            feed.verdicts.lock().unwrap().push((id, verdict));
            feed.changed.notify(usize::MAX);
            Ok(())
        })
    }
}

/// The service on a store, with a bus of its own.
pub(crate) struct Scene<S> {
    pub(crate) store: S,
    pub(crate) bus: InProcessBus,
    pub(crate) script: Arc<Script>,
}

impl<S: Store + Clone + Default> Scene<S> {
    pub(crate) fn new() -> Self {
        Scene {
            store: S::default(),
            bus: InProcessBus::new(),
            script: Arc::default(),
        }
    }

    pub(crate) fn midgard(&self, options: InboxOptions) -> Midgard<S> {
        let service = Service(self.script.clone());
        Midgard::new(self.store.clone())
            .outbox_elsewhere()
            .inbox_with(service, self.bus.clone(), options)
    }

    pub(crate) fn start(&self, options: InboxOptions) -> Running {
        start(self.midgard(options))
    }
}
