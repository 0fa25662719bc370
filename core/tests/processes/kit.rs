//! What the tests share: how the services run, a bus that misbehaves, and a process manager that does as it is told.

use crate::shop::{Customers, Placement};
use futures_timer::Delay;
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use midgard::bus::{BusError, InProcessBus, Message, Published, Publisher, Subscriber};
use midgard::clock::Clock;
use midgard::consumer::{ConsumerOptions, FailurePolicy, RunError};
use midgard::event::RecordedEventRef;
use midgard::inbox::InboxOptions;
use midgard::outbox::Unheard;
use midgard::process::Process;
use midgard::store::ReadLog;
use midgard::{
    Aggregate, Apply, Command, Event, Events, Expire, Handle, HandlerError, Inbox, MessageContext,
    Midgard, MidgardHandle, Outbox, ProcessManager, Processes, React, Reactions, Refused,
    RemoteCommand, Resolve, StartFrom, Store, block_on, events,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(180);
/// Longer than any deadline.
pub(crate) const NEVER: u64 = 1_000_000_000;

pub(crate) fn at_once() -> FailurePolicy {
    FailurePolicy::retry(0)
}

/// Who is gone is soon replaced.
pub(crate) fn soon() -> ConsumerOptions {
    ConsumerOptions::new()
        .lease(Duration::from_millis(90))
        .on_failure(at_once().then_park())
}

pub(crate) fn outbox(source: &str) -> Outbox {
    let policy = FailurePolicy::retry(u32::MAX)
        .first_after(Duration::from_millis(2))
        .at_most_every(Duration::from_millis(20));
    Outbox::new(source).options(soon().on_failure(policy))
}

pub(crate) fn orders<S: Store + Clone>(
    store: &S,
    bus: impl Publisher + Subscriber + Clone,
) -> Midgard<S> {
    let placements = Processes::<Placement>::new(StartFrom::Start)
        .options(soon())
        .replies_from(bus.clone());
    Midgard::new(store.clone())
        .process_manager(placements)
        .outbox(outbox("orders"), bus)
}

pub(crate) fn customers<S: Store + Clone>(
    store: &S,
    bus: impl Publisher + Subscriber + Clone,
) -> Midgard<S> {
    Midgard::new(store.clone())
        .inbox(Customers, bus.clone())
        .outbox(outbox("customers"), bus)
}

/// A program that runs in a thread of its own.
pub(crate) struct Running {
    pub(crate) handle: MidgardHandle,
    thread: thread::JoinHandle<Result<(), RunError>>,
}

pub(crate) fn start<S: Store + Clone>(midgard: Midgard<S>) -> Running {
    let handle = midgard.handle();
    let thread = thread::spawn(|| block_on(midgard.run()));
    Running { handle, thread }
}

impl Running {
    pub(crate) fn stop(self) {
        self.handle.stop();
        self.thread.join().unwrap().unwrap();
    }
}

/// Looks until something is so.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LONG, "waited in vain for {what}");
        block_on(Delay::new(Duration::from_millis(3)));
    }
}

pub(crate) fn processes(handle: &MidgardHandle, name: &str) -> Vec<Process> {
    block_on(handle.processes(name)).unwrap()
}

pub(crate) fn until_none_goes_on(handle: &MidgardHandle, name: &str) {
    until("the end of all processes", || {
        processes(handle, name).is_empty().then_some(())
    });
}

/// A bus that publishes everything twice, and is down when it is told to be, or now and then.
#[derive(Clone, Default)]
pub(crate) struct Rough {
    pub(crate) bus: InProcessBus,
    pub(crate) doubles: bool,
    pub(crate) is_down: Arc<AtomicBool>,
    /// Of how many publications one fails; none when it is zero.
    pub(crate) fails_one_of: u64,
    pub(crate) calls: Arc<AtomicU64>,
}

impl Publisher for Rough {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let down = || BusError::Unavailable {
            location: "nowhere".to_owned(),
            action: "publish",
            cause: "it is down".into(),
        };
        if self.is_down.load(Ordering::SeqCst) {
            return Err(down());
        }
        if self.fails_one_of > 0 && call % self.fails_one_of == 1 {
            // Some of it may have arrived.
            self.bus.publish(&messages[..messages.len() / 2]).await?;
            return Err(down());
        }
        let published = self.bus.publish(messages).await?;
        if self.doubles {
            self.bus.publish(messages).await?;
        }
        Ok(published)
    }
}

impl Subscriber for Rough {
    type Deliveries = <InProcessBus as Subscriber>::Deliveries;

    async fn declare(&self, queue: &midgard::bus::Queue) -> Result<(), BusError> {
        self.bus.declare(queue).await
    }

    async fn subscribe(&self, queue: &midgard::bus::Queue) -> Result<Self::Deliveries, BusError> {
        self.bus.subscribe(queue).await
    }
}

/// Something that a process is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Do {
    /// Write into a journal of this service.
    Write(String, String),
    /// Write into the journal, or, if that is closed, into the other.
    WriteOr(String, String),
    /// Sets a deadline in so many milliseconds.
    Remind(u64, Vec<Do>),
    RemindOther(u64, Vec<Do>),
    Cancel,
    /// Sends numbers to the clerk, under a key.
    Send(String, Vec<u64>),
    /// Panics while the process is among those that do.
    Panic,
    Complete,
}

/// The processes that panic.
pub(crate) static PANICS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "script.told")]
pub(crate) struct Told {
    pub(crate) process: String,
    pub(crate) script: Vec<Do>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "script.due")]
pub(crate) struct Due {
    script: Vec<Do>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "script.other_due")]
pub(crate) struct OtherDue {
    script: Vec<Do>,
}

/// Does as it is told, and writes what comes back into the journal of its name.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(
    name = "script",
    id = String,
    events(Told),
    commands(Note),
    deadlines(Due, OtherDue)
)]
pub(crate) struct Script {
    process: String,
    told: u64,
}

impl Script {
    fn follow(&mut self, script: Vec<Do>, reactions: &mut Reactions<Self>) {
        for step in script {
            match step {
                Do::Write(journal, text) => {
                    reactions.execute::<Journal, _>(journal, Write(text));
                }
                Do::WriteOr(journal, other) => {
                    reactions
                        .execute::<Journal, _>(journal, Write("first".to_owned()))
                        .or_execute::<Journal, _>(other, Write("second".to_owned()))
                        .or_execute::<Journal, _>("last".to_owned(), Write("third".to_owned()));
                }
                Do::Remind(after, script) => {
                    reactions.remind(Duration::from_millis(after), &Due { script });
                }
                Do::RemindOther(after, script) => {
                    reactions.remind(Duration::from_millis(after), &OtherDue { script });
                }
                Do::Cancel => reactions.cancel::<Due>(),
                Do::Send(key, numbers) => {
                    for number in numbers {
                        let key = key.clone();
                        reactions.send(&Note { key, number });
                    }
                }
                Do::Panic => {
                    let panics = PANICS.lock().unwrap().contains(&self.process);
                    assert!(!panics, "process {} panics", self.process);
                }
                Do::Complete => reactions.complete(),
            }
        }
    }

    fn write(&self, text: String, reactions: &mut Reactions<Self>) {
        reactions.execute::<Journal, _>(self.process.clone(), Write(text));
    }
}

impl React<Told> for Script {
    fn process(event: &Told, _: &RecordedEventRef<'_>) -> Option<String> {
        (event.process != "none").then(|| event.process.clone())
    }

    fn react(&mut self, event: Told, reactions: &mut Reactions<Self>) {
        self.process = event.process;
        self.told += 1;
        self.follow(event.script, reactions);
    }
}

impl Resolve<Note> for Script {
    fn replied(&mut self, command: Note, reply: Noted, reactions: &mut Reactions<Self>) {
        let (number, sum) = (command.number, reply.sum);
        self.write(format!("{number} noted, {sum} in all"), reactions);
    }

    fn refused(&mut self, command: Note, reason: &str, reactions: &mut Reactions<Self>) {
        let number = command.number;
        self.write(format!("{number} refused: {reason}"), reactions);
    }
}

impl Expire<Due> for Script {
    fn expired(&mut self, deadline: Due, reactions: &mut Reactions<Self>) {
        self.follow(deadline.script, reactions);
    }
}

impl Expire<OtherDue> for Script {
    fn expired(&mut self, deadline: OtherDue, reactions: &mut Reactions<Self>) {
        self.follow(deadline.script, reactions);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "journal.written")]
pub(crate) struct Written {
    pub(crate) text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "journal.opened")]
pub(crate) struct Opened {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "journal.closed")]
pub(crate) struct Closed {}

/// Takes nothing while it is closed.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "journal", id = String, events(Written, Opened, Closed))]
pub(crate) struct Journal {
    is_closed: bool,
    lines: u64,
}

impl Apply<Written> for Journal {
    fn apply(&mut self, _: Written) {
        self.lines += 1;
    }
}

impl Apply<Opened> for Journal {
    fn apply(&mut self, _: Opened) {
        self.is_closed = false;
    }
}

impl Apply<Closed> for Journal {
    fn apply(&mut self, _: Closed) {
        self.is_closed = true;
    }
}

#[derive(Debug)]
pub(crate) struct Write(pub(crate) String);

impl Command<Journal> for Write {
    type Error = &'static str;

    fn decide(&self, journal: &Journal) -> Result<Events<Journal>, &'static str> {
        if journal.is_closed {
            return Err("the journal is closed");
        }
        let text = self.0.clone();
        Ok(events![Written { text }])
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "clerk.note", service = "clerk", key = key, reply = Noted)]
pub(crate) struct Note {
    pub(crate) key: String,
    pub(crate) number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "clerk.noted")]
pub(crate) struct Noted {
    pub(crate) sum: u64,
}

/// Notes numbers below 1000, and refuses others.
#[derive(Inbox)]
#[inbox(name = "clerk", commands(Note))]
pub(crate) struct Clerk;

impl Handle<Note> for Clerk {
    async fn handle(
        &self,
        command: Note,
        context: &mut MessageContext<'_>,
    ) -> Result<Noted, HandlerError> {
        let Note { key, number } = command;
        if number >= 1000 {
            return Err(Refused::new("too large").into());
        }
        let write = Write(number.to_string());
        let lines = context.execute::<Journal, _>(&key, &write).await?.lines;
        Ok(Noted { sum: lines })
    }
}

pub(crate) fn scripts<S: Store + Clone>(
    store: &S,
    bus: impl Publisher + Subscriber + Clone,
) -> Midgard<S> {
    scripts_by(Clock::system(), store, bus)
}

/// Their deadlines pass by this clock.
pub(crate) fn scripts_by<S: Store + Clone>(
    clock: impl Into<Clock>,
    store: &S,
    bus: impl Publisher + Subscriber + Clone,
) -> Midgard<S> {
    let policy = at_once().then_park();
    let scripts = Processes::<Script>::new(StartFrom::Start)
        .options(soon())
        .inbox_options(InboxOptions::new().on_failure(policy))
        .replies_from(bus.clone());
    Midgard::with_clock(store.clone(), clock)
        .process_manager(scripts)
        .outbox(outbox("scripts"), bus)
}

pub(crate) fn clerk<S: Store + Clone>(
    store: &S,
    bus: impl Publisher + Subscriber + Clone,
) -> Midgard<S> {
    let outbox = outbox("clerk").unheard(Unheard::Discard);
    Midgard::new(store.clone())
        .inbox(Clerk, bus.clone())
        .outbox(outbox, bus)
}

pub(crate) fn tell(store: &impl Store, process: &str, script: impl IntoIterator<Item = Do>) {
    let told = Told {
        process: process.to_owned(),
        script: script.into_iter().collect(),
    };
    block_on(crate::shop::append(store, "told", &told));
}

pub(crate) fn write(text: &str) -> Do {
    Do::Write("book".to_owned(), text.to_owned())
}

/// The lines of a journal, in order.
pub(crate) fn lines(store: &impl Store, journal: &str) -> Vec<String> {
    let stream = format!("journal-{journal}");
    let events = block_on(crate::shop::log(store)).into_iter();
    let written =
        events.filter(|event| event.stream.as_str() == stream && event.name == Written::NAME);
    written
        .map(|event| event.view().decode::<Written>().unwrap().text)
        .collect()
}

/// Waits for this many lines, as they come: looking at all of them again and again would take longer than the lines.
pub(crate) fn until_count(store: &impl Store, journal: &str, wanted: usize) {
    let stream = format!("journal-{journal}");
    let mut events = store.events(ReadLog::forward()).follow();
    let lines = async {
        let mut left = wanted;
        while left > 0 {
            let event = events.next().await.unwrap().unwrap();
            left -= usize::from(event.stream.as_str() == stream && event.name == Written::NAME);
        }
    };
    if let Either::Right(_) = block_on(select(pin!(lines), Delay::new(LONG))) {
        panic!("waited in vain for {wanted} lines");
    }
}

pub(crate) fn until_lines(store: &impl Store, journal: &str, wanted: &[&str]) {
    let begins = || {
        let lines = lines(store, journal);
        (lines.len() >= wanted.len()).then_some(lines)
    };
    assert_eq!(until(&format!("lines {wanted:?}"), begins), wanted);
}
