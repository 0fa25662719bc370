//! What reactions know besides what they react to, also when the process is rebuilt; and when deadlines pass.

use crate::kit::{start, until};
use midgard::bus::InProcessBus;
use midgard::clock::ManualClock;
use midgard::event::{NewEvent, RecordedEventRef};
use midgard::process::ReactedEvent;
use midgard::store::{Append, Appended, ExpectedVersion};
use midgard::{
    Event, EventId, Expire, Handle, HandlerError, Inbox, MemoryStore, MessageContext, Metadata,
    Midgard, Outbox, Position, ProcessManager, Processes, React, Reactions, Refused, RemoteCommand,
    Resolve, StartFrom, Store as _, StreamName, Timestamp, Version, block_on,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.filled")]
struct Filled {
    cart: u64,
    then: Then,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Then {
    Nothing,
    Ask,
    RemindIn15Minutes,
    RemindIn15MinutesFromNow,
    RemindAt(u64),
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "cart.left")]
struct Left {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "shelf.ask", service = "shelf", reply = Answered)]
struct Ask {
    fee: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "shelf.answered")]
struct Answered {
    fee: u64,
}

/// An id with a text of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CartId(u64);

impl fmt::Display for CartId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cart{}", self.0)
    }
}

impl FromStr for CartId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.trim_start_matches("cart").parse().map(CartId)
    }
}

/// What one reaction knows.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    id: CartId,
    time: Timestamp,
    event: Option<ReactedEvent>,
    metadata: Metadata,
}

/// The settings of a program, and where it hears of what its processes know.
#[derive(Clone, Default)]
struct Settings {
    fee: u64,
    heard: Arc<Mutex<Vec<Vec<Known>>>>,
}

#[derive(Default, ProcessManager)]
#[process_manager(
    name = "cart",
    id = CartId,
    config = Settings,
    events(Filled),
    commands(Ask),
    deadlines(Left)
)]
struct Cart {
    known: Vec<Known>,
}

impl Cart {
    /// Keeps what is known now, and tells all that it has kept.
    fn know(&mut self, reactions: &Reactions<Self>) {
        self.known.push(Known {
            id: *reactions.id(),
            time: reactions.time(),
            event: reactions.event().cloned(),
            metadata: reactions.metadata().clone(),
        });
        let heard = &reactions.config().heard;
        heard.lock().unwrap().push(self.known.clone());
    }
}

impl React<Filled> for Cart {
    fn process(event: &Filled, _: &RecordedEventRef<'_>) -> Option<CartId> {
        Some(CartId(event.cart))
    }

    fn react(&mut self, event: Filled, reactions: &mut Reactions<Self>) {
        self.know(reactions);
        match event.then {
            Then::Nothing => {}
            Then::Ask => {
                let fee = reactions.config().fee;
                reactions.send(&Ask { fee });
            }
            Then::RemindIn15Minutes => reactions.remind(15 * MINUTE, &Left {}),
            Then::RemindIn15MinutesFromNow => reactions.remind_from_now(15 * MINUTE, &Left {}),
            Then::RemindAt(micros) => {
                reactions.remind_at(Timestamp::from_micros(micros), &Left {});
            }
        }
    }
}

impl Resolve<Ask> for Cart {
    fn replied(&mut self, command: Ask, reply: Answered, reactions: &mut Reactions<Self>) {
        assert_eq!(command.fee, reply.fee);
        self.know(reactions);
    }

    fn refused(&mut self, _: Ask, _: &str, reactions: &mut Reactions<Self>) {
        self.know(reactions);
    }
}

impl Expire<Left> for Cart {
    fn expired(&mut self, _: Left, reactions: &mut Reactions<Self>) {
        self.know(reactions);
    }
}

/// Answers up to a fee.
#[derive(Inbox)]
#[inbox(name = "shelf", commands(Ask))]
struct Shelf;

impl Handle<Ask> for Shelf {
    async fn handle(
        &self,
        command: Ask,
        _: &mut MessageContext<'_>,
    ) -> Result<Answered, HandlerError> {
        if command.fee > 100 {
            return Err(Refused::new("too dear").into());
        }
        Ok(Answered { fee: command.fee })
    }
}

/// A store and a program by one clock.
struct Shop {
    clock: ManualClock,
    store: MemoryStore,
    bus: InProcessBus,
    settings: Settings,
}

impl Shop {
    fn at(time: &str) -> Self {
        let clock = ManualClock::at(time.parse().unwrap());
        Shop {
            store: MemoryStore::with_clock(&clock),
            clock,
            bus: InProcessBus::new(),
            settings: Settings::default(),
        }
    }

    fn program(&self) -> Midgard<MemoryStore> {
        let carts = Processes::<Cart>::with_config(StartFrom::Start, self.settings.clone());
        Midgard::with_clock(self.store.clone(), &self.clock)
            .process_manager(carts.replies_from(self.bus.clone()))
            .outbox(Outbox::new("shop"), self.bus.clone())
    }

    fn catch_up(&self) {
        block_on(self.program().catch_up()).unwrap();
    }

    fn fill(&self, cart: u64, then: Then) -> Appended {
        self.fill_with(cart, then, Metadata::new())
    }

    fn fill_with(&self, cart: u64, then: Then, metadata: Metadata) -> Appended {
        let event = NewEvent::encode(&Filled { cart, then }).unwrap();
        let stream = StreamName::new(format!("basket-{cart}")).unwrap();
        let append = Append::to(
            stream,
            ExpectedVersion::Any,
            [event.with_metadata(metadata)],
        );
        block_on(self.store.append(append)).unwrap()
    }

    /// What the process knew at the last reaction.
    fn heard(&self) -> Vec<Known> {
        let heard = self.settings.heard.lock().unwrap();
        heard.last().cloned().unwrap_or_default()
    }

    fn deadline_of(&self, cart: u64) -> Option<String> {
        let processes = block_on(self.program().handle().processes("cart")).unwrap();
        let id = CartId(cart).to_string();
        let process = processes.into_iter().find(|process| process.id == id);
        Some(process?.deadline?.to_string())
    }

    fn until_known(&self, count: usize) -> Vec<Known> {
        until("all to be known", || {
            let heard = self.heard();
            (heard.len() == count).then_some(heard)
        })
    }
}

#[test]
fn a_reaction_knows_its_process_and_the_place_time_and_metadata_of_the_event_and_so_it_is_rebuilt()
{
    let shop = Shop::at("2026-11-25T12:00:00Z");
    let [correlation, causation] = [EventId::new(), EventId::new()];
    let metadata = Metadata::new()
        .with_correlation_id(correlation)
        .with_causation_id(causation)
        .with_header("user", "ann");
    shop.fill(8, Then::Nothing);
    shop.fill_with(7, Then::Nothing, metadata.clone());
    // Handled later than it was recorded.
    shop.clock.advance(HOUR);
    shop.catch_up();
    let first = shop.heard();
    let [known] = first.as_slice() else {
        panic!("{first:?}");
    };
    assert_eq!(known.id, CartId(7));
    assert_eq!(known.time.to_string(), "2026-11-25T12:00:00.000000Z");
    assert_eq!(known.metadata, metadata);
    let event = known.event.as_ref().unwrap();
    assert_eq!(event.position, Position(2));
    assert_eq!(
        (event.stream.as_str(), event.version),
        ("basket-7", Version(1))
    );
    // Another program, which has only the stream of the process.
    shop.clock.advance(HOUR);
    shop.fill(7, Then::Nothing);
    shop.catch_up();
    let rebuilt = shop.heard();
    assert_eq!(rebuilt.len(), 2);
    assert_eq!(rebuilt[0], first[0]);
    assert_eq!(rebuilt[1].time.to_string(), "2026-11-25T14:00:00.000000Z");
    assert_eq!(rebuilt[1].metadata, Metadata::new());
}

#[test]
fn an_answer_has_the_time_at_which_it_was_sent_and_its_process_the_configuration() {
    let mut shop = Shop::at("2026-11-25T12:00:00Z");
    shop.settings.fee = 30;
    // The other service has a clock of its own, which is behind.
    let behind = ManualClock::at("2026-11-25T11:59:00Z".parse().unwrap());
    let shelf = Midgard::with_clock(MemoryStore::with_clock(&behind), &behind)
        .inbox(Shelf, shop.bus.clone())
        .outbox(Outbox::new("shelf"), shop.bus.clone());
    block_on(shelf.declare()).unwrap();
    let running = [start(shelf), start(shop.program())];
    shop.fill(7, Then::Ask);
    let answered = shop.until_known(2)[1].clone();
    assert_eq!(answered.id, CartId(7));
    assert_eq!(answered.time.to_string(), "2026-11-25T11:59:00.000000Z");
    assert_eq!(answered.event, None);
    // Or ahead: nothing was sent later than it came.
    behind.advance(HOUR);
    shop.fill(7, Then::Ask);
    let known = shop.until_known(4);
    assert_eq!(known[3].time.to_string(), "2026-11-25T12:00:00.000000Z");
    assert_eq!(known[1], answered);
    for program in running {
        program.stop();
    }
}

#[test]
fn after_an_outage_a_deadline_counts_from_the_event_and_not_from_its_handling() {
    let shop = Shop::at("2026-11-25T12:00:00Z");
    shop.fill(1, Then::RemindIn15Minutes);
    shop.fill(2, Then::RemindIn15MinutesFromNow);
    let at: Timestamp = "2026-11-25T13:10:00Z".parse().unwrap();
    shop.fill(3, Then::RemindAt(at.as_micros()));
    shop.clock.advance(5 * MINUTE);
    shop.fill(4, Then::RemindIn15Minutes);
    // Nothing ran for an hour.
    shop.clock.advance(55 * MINUTE);
    let running = start(shop.program());
    // Both have passed for long, and fire as soon as they are set.
    let fired = |heard: &Vec<Known>| heard.len() == 2;
    until("the deadlines to fire", || {
        let heard = shop.settings.heard.lock().unwrap();
        (heard.iter().filter(|heard| fired(heard)).count() == 2).then_some(())
    });
    running.stop();
    assert_eq!(shop.deadline_of(1), None);
    assert_eq!(shop.deadline_of(4), None);
    assert_eq!(shop.deadline_of(2).unwrap(), "2026-11-25T13:15:00.000000Z");
    assert_eq!(shop.deadline_of(3).unwrap(), "2026-11-25T13:10:00.000000Z");
}

#[test]
fn a_deadline_fires_when_the_clock_is_moved_past_it_and_not_before() {
    let shop = Shop::at("2026-11-25T12:00:00Z");
    let running = start(shop.program());
    shop.fill(7, Then::RemindIn15Minutes);
    until("the deadline to be set", || shop.deadline_of(7));
    shop.clock.advance(15 * MINUTE - Duration::from_micros(1));
    shop.catch_up();
    assert_eq!(shop.heard().len(), 1);
    shop.clock.advance(Duration::from_micros(1));
    let known = shop.until_known(2);
    assert_eq!(known[1].time.to_string(), "2026-11-25T12:15:00.000000Z");
    assert_eq!(known[1].event, None);
    // What led to it carries on.
    let causation = known[1].metadata.causation_id();
    assert!(causation.is_some() && known[1].metadata.correlation_id().is_some());
    running.stop();
}

#[test]
fn what_a_release_recorded_that_knew_less_is_rebuilt_as_far_as_it_is_known() {
    let shop = Shop::at("2026-11-25T12:00:00Z");
    let recorded = br#"{"to":"event","name":"cart.filled","version":1,"data":{"cart":7,"then":"Nothing"},"deadlines":{"cart.left":1795608000000000}}"#;
    let event = NewEvent::json("midgard.process_reacted", 1, recorded.to_vec());
    let stream = StreamName::new("cart-cart7").unwrap();
    let append = Append::to(stream, ExpectedVersion::NoStream, [event]);
    block_on(shop.store.append(append)).unwrap();
    shop.clock.advance(MINUTE);
    shop.fill(7, Then::Nothing);
    shop.catch_up();
    let known = shop.heard();
    assert_eq!(known.len(), 2);
    assert_eq!(known[0].id, CartId(7));
    assert_eq!(known[0].time.to_string(), "2026-11-25T12:00:00.000000Z");
    assert_eq!(known[0].event, None);
    assert!(known[1].event.is_some());
}

/// What it writes it does not read.
#[derive(Debug, Clone, Copy)]
struct OneWay;

impl fmt::Display for OneWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one")
    }
}

impl FromStr for OneWay {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse::<u64>().map(|_| OneWay)
    }
}

#[derive(Default, ProcessManager)]
#[process_manager(name = "one_way", id = OneWay, events(Filled))]
struct OneWayCart {}

impl React<Filled> for OneWayCart {
    fn process(_: &Filled, _: &RecordedEventRef<'_>) -> Option<OneWay> {
        Some(OneWay)
    }

    fn react(&mut self, _: Filled, _: &mut Reactions<Self>) {}
}

#[test]
fn an_id_that_cannot_be_read_is_said_to_be_so() {
    let shop = Shop::at("2026-11-25T12:00:00Z");
    shop.fill(7, Then::Nothing);
    let carts = Processes::<OneWayCart>::new(StartFrom::Start);
    let midgard = Midgard::new(shop.store).process_manager(
        carts.options(
            midgard::consumer::ConsumerOptions::new()
                .on_failure(midgard::consumer::FailurePolicy::retry(0)),
        ),
    );
    let error = block_on(midgard.catch_up()).unwrap_err().to_string();
    let wanted = "the id \"one\" of process manager \"one_way\" cannot be read as a `processes::reactions::OneWay`: make its `FromStr` read what its `Display` writes";
    assert!(error.contains(wanted), "{error}");
}
