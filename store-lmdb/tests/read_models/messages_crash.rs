//! Kill -9 of a process that runs an inbox, and of one that runs an outbox, at random moments: each message has one
//! effect, in the order of its key, however often it comes; and each event leaves, in order.
//!
//! `MIDGARD_TEST_SEED` repeats the choices of a run that failed, though not its moments.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::{child_directory, read_stream, stream};
use crate::kit::{Process, end_when_left_alone, open};
use event_listener::Event as Notify;
use fastrand::Rng;
use midgard::bus::{
    BusError, Deliveries, Message, Published, Publisher, Queue, Received, Settle, Subscriber,
    Verdict,
};
use midgard::consumer::{ConsumerOptions, FailurePolicy};
use midgard::event::NewEvent;
use midgard::inbox::InboxOptions;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{
    Event, HandlerError, Inbox, MessageContext, Midgard, Outbox, Store, Subscribe, block_on,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of each of the two tests.
const KILLS: u64 = 100;
/// So many kills meet the same store, so that each also continues what the one before left.
const KILLS_PER_STORE: u64 = 25;
const KEYS: u64 = 12;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "told")]
#[publish]
struct Told {
    number: u64,
}

/// Notes each number in the stream of its key. Some fail at first.
#[derive(Inbox)]
#[inbox(name = "notes", events(Told))]
struct Notes(Mutex<HashSet<u64>>);

impl Subscribe<Told> for Notes {
    async fn receive(
        &self,
        told: Told,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        let key = stream(&context.message().key);
        context.record(key, ExpectedVersion::Any, &told)?;
        if told.number % 17 == 3 && self.0.lock().unwrap().insert(told.number) {
            return Err("not at first".into());
        }
        Ok(())
    }
}

fn message(number: u64) -> Message {
    let data = serde_json::to_vec(&Told { number }).unwrap();
    Message::event("teller", Told::NAME, 1, data)
        .with_id(number.to_string())
        .with_key(format!("notes-{}", number % KEYS))
}

/// A bus with all numbers from one on, in order; now and then earlier ones come again.
#[derive(Clone)]
struct Tape(Arc<TapeState>);

struct TapeState {
    place: Mutex<(u64, Rng)>,
    from: u64,
    in_flight: AtomicUsize,
    settled: Notify,
}

impl Subscriber for Tape {
    type Deliveries = Tape;

    async fn declare(&self, _: &Queue) -> Result<(), BusError> {
        Ok(())
    }

    async fn subscribe(&self, _: &Queue) -> Result<Tape, BusError> {
        Ok(self.clone())
    }
}

impl Deliveries for Tape {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            let settled = self.0.settled.listen();
            if self.0.in_flight.load(Ordering::SeqCst) < 256 {
                break;
            }
            settled.await;
        }
        let (next, random) = &mut *self.0.place.lock().unwrap();
        let number = if *next > self.0.from && random.u64(..4) == 0 {
            next.saturating_sub(1 + random.u64(..20)).max(self.0.from)
        } else {
            *next += 1;
            *next - 1
        };
        self.0.in_flight.fetch_add(1, Ordering::SeqCst);
        let settling = Settling(self.0.clone(), number);
        Ok(Received::new(Ok(message(number)), false, settling))
    }
}

struct Settling(Arc<TapeState>, u64);

impl Settle for Settling {
    fn settle(
        self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        assert_eq!(verdict, Verdict::Acknowledge);
        println!("settled {}", self.1);
        Box::pin(async { Ok(()) })
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.0.settled.notify(usize::MAX);
    }
}

fn variable(name: &str) -> u64 {
    std::env::var(name).unwrap().parse().unwrap()
}

/// Not a test of its own: the process that receives.
#[test]
fn child_receives_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let from = variable("FROM");
    let tape = Tape(Arc::new(TapeState {
        place: Mutex::new((from, Rng::with_seed(variable("SEED")))),
        from,
        in_flight: AtomicUsize::new(0),
        settled: Notify::new(),
    }));
    end_when_left_alone();
    let policy = FailurePolicy::retry(2).first_after(Duration::from_millis(1));
    let options = InboxOptions::new().on_failure(policy);
    let midgard = Midgard::new(open(directory)).inbox_with(Notes(Mutex::default()), tape, options);
    block_on(midgard.run()).unwrap();
}

fn seed() -> Rng {
    let seed = match std::env::var("MIDGARD_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        }
    };
    println!("MIDGARD_TEST_SEED={seed}");
    Rng::with_seed(seed)
}

#[test]
fn each_message_has_one_effect_in_the_order_of_its_key_after_every_kill() {
    if child_directory().is_some() {
        return;
    }
    let mut random = seed();
    for _ in 0..KILLS / KILLS_PER_STORE {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let mut missing = 0;
        for _ in 0..KILLS_PER_STORE {
            let from = missing - random.u64(..100).min(missing);
            let mut process = start(
                "messages_crash::child_receives_until_killed",
                directory.path(),
                from,
                &mut random,
            );
            for _ in 0..=random.u64(..150) {
                process.next("settled ");
            }
            thread::sleep(Duration::from_micros(random.u64(..20_000)));
            process.kill();
            let settled = process.said("settled ");
            let settled: HashSet<u64> = settled
                .iter()
                .map(|number| number.parse().unwrap())
                .collect();
            missing = check_effects(&store, &settled);
        }
        println!("{missing} messages");
        assert!(missing > KILLS_PER_STORE * 10);
    }
}

fn start(test: &str, directory: &Path, from: u64, random: &mut Rng) -> Process {
    let (from, seed) = (from.to_string(), random.u64(..).to_string());
    Process::start(test, directory, &[("FROM", &from), ("SEED", &seed)])
}

/// Checks that the numbers of each key are there from the first on, once and in order; gives the first that is not.
fn check_effects(store: &impl Store, settled: &HashSet<u64>) -> u64 {
    let mut missing = u64::MAX;
    let mut all = HashSet::new();
    for key in 0..KEYS {
        let events = read_stream(store, &format!("notes-{key}")).unwrap();
        for (place, event) in events.iter().enumerate() {
            let number = event.decode::<Told>().unwrap().number;
            assert_eq!(
                number,
                key + place as u64 * KEYS,
                "in the stream of key {key}"
            );
            all.insert(number);
        }
        missing = missing.min(key + events.len() as u64 * KEYS);
    }
    let lost: Vec<_> = settled.difference(&all).collect();
    assert!(lost.is_empty(), "settled, and without effect: {lost:?}");
    missing
}

/// A bus that says what it gets. Now and then it fails in the middle.
struct Says(Mutex<Rng>);

impl Publisher for Says {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        let (fails, most) = {
            let mut random = self.0.lock().unwrap();
            (
                random.u64(..10) == 0,
                random.u64(..messages.len() as u64 + 1),
            )
        };
        let most = if fails { most as usize } else { messages.len() };
        for message in &messages[..most] {
            println!("published {} {}", message.place.unwrap(), message.id);
        }
        if fails {
            return Err(BusError::Unavailable {
                location: "nowhere".to_owned(),
                action: "publish",
                cause: "bad luck".into(),
            });
        }
        Ok(Published::all())
    }
}

fn outbox() -> Outbox {
    // Short, so that the next process soon takes over from the one that was killed.
    let options = ConsumerOptions::new().lease(Duration::from_millis(60));
    Outbox::new("teller").publish::<Told>().options(options)
}

/// Not a test of its own: the process that appends and publishes.
#[test]
fn child_publishes_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    let bus = Says(Mutex::new(Rng::with_seed(variable("SEED"))));
    end_when_left_alone();
    let appending = store.clone();
    thread::spawn(move || {
        let mut random = Rng::with_seed(variable("SEED"));
        loop {
            let events = (0..=random.u64(..5)).map(|_| Told {
                number: random.u64(..),
            });
            let events: Vec<_> = events
                .map(|told| NewEvent::encode(&told).unwrap())
                .collect();
            let key = stream(&format!("told-{}", random.u64(..KEYS)));
            let append = Append::to(key, ExpectedVersion::Any, events);
            block_on(appending.append(append)).unwrap();
            // So that the outbox has its turn, too.
            thread::sleep(Duration::from_millis(1));
        }
    });
    block_on(Midgard::new(store).outbox(outbox(), bus).run()).unwrap();
}

/// What was published: the id of each event by its position, each seen the first time in order.
#[derive(Default)]
struct Inspected {
    ids: BTreeMap<u64, String>,
    copies: u64,
}

impl Inspected {
    fn take_in(&mut self, lines: &[String]) {
        for line in lines {
            let (position, id) = line.split_once(' ').unwrap();
            let position = position.parse().unwrap();
            if let Some(known) = self.ids.get(&position) {
                assert_eq!(known, id, "at position {position}");
                self.copies += 1;
                continue;
            }
            let last = self.ids.last_key_value().map_or(0, |(last, _)| *last);
            assert_eq!(position, last + 1, "one was left out, or overtaken");
            self.ids.insert(position, id.to_owned());
        }
    }
}

#[test]
fn each_event_leaves_in_order_after_every_kill() {
    if child_directory().is_some() {
        return;
    }
    let mut random = seed();
    for _ in 0..KILLS / KILLS_PER_STORE {
        let directory = tempfile::tempdir().unwrap();
        let mut inspected = Inspected::default();
        for _ in 0..KILLS_PER_STORE {
            let mut process = start(
                "messages_crash::child_publishes_until_killed",
                directory.path(),
                0,
                &mut random,
            );
            process.next("published ");
            thread::sleep(Duration::from_micros(random.u64(..20_000)));
            process.kill();
            inspected.take_in(&process.said("published "));
        }
        finish(directory.path(), inspected);
    }
}

/// What is left is published, and then each event has left.
fn finish(directory: &Path, mut inspected: Inspected) {
    #[derive(Clone, Default)]
    struct Keeps(Arc<Mutex<Vec<String>>>);
    impl Publisher for Keeps {
        async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
            let lines = messages.iter();
            let lines = lines.map(|one| format!("{} {}", one.place.unwrap(), one.id));
            self.0.lock().unwrap().extend(lines);
            Ok(Published::all())
        }
    }
    let (store, bus) = (open(directory), Keeps::default());
    block_on(
        Midgard::new(store.clone())
            .outbox(outbox(), bus.clone())
            .catch_up(),
    )
    .unwrap();
    inspected.take_in(&bus.0.lock().unwrap());
    let mut log = BTreeMap::new();
    let mut each = |event: midgard::event::RecordedEventRef<'_>| {
        log.insert(event.position.get(), event.id.to_string());
        ControlFlow::Continue(())
    };
    block_on(store.read_log(&ReadLog::forward(), &mut each)).unwrap();
    assert_eq!(inspected.ids, log);
    println!("{} events, {} copies", log.len(), inspected.copies);
}
