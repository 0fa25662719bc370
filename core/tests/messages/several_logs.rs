//! An outbox on a store with several logs: the messages of each leave once, in order, and so do its commands. An inbox there.

use super::kit::{
    LONG, Note, Noted, Notes, Outlet, Running, Told, append, number, publish, start, tell, told,
};
use crate::logs::{ByName, WEST, two_logs};
use midgard::bus::InProcessBus;
use midgard::consumer::{ConsumerOptions, FailurePolicy, Status};
use midgard::event::NewEvent;
use midgard::inbox::InboxOptions;
use midgard::store::Layered;
use midgard::{
    Aggregate, Apply, Command, DecisionModel, Event, Events, HandlerError, Inbox, MessageContext,
    Midgard, Outbox, Place, Subscribe, block_on, events,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

type TwoLogs = Layered<ByName>;

/// What the second log tells is above this number.
const FAR: u64 = 1000;

fn outbox(name: &str) -> Outbox {
    let policy = FailurePolicy::retry(0).then_park();
    let options = ConsumerOptions::new().lease(Duration::from_millis(90));
    Outbox::new("orders")
        .named(name)
        .publish::<Told>()
        .options(options.on_failure(policy))
}

fn tell_both(store: &TwoLogs, numbers: std::ops::Range<u64>) -> [Place; 2] {
    let mut last = [Place::START; 2];
    for number in numbers {
        let main = tell(store, "orders-1", "ann", number);
        let west = tell(store, "west-1", "bob", FAR + number);
        last = [Place::main(main), Place::new(WEST, west)];
    }
    last
}

/// Appends a command as a process manager in that log does.
fn send(store: &TwoLogs, stream: &str, number: u64) -> Place {
    let command = json!({
        "name": "count", "version": 1, "service": "service", "key": format!("key-{number}"),
        "reply_to": "placement", "data": { "number": number },
    });
    let mut event = NewEvent::encode(&Noted { number: 0 }).unwrap();
    event.name = "midgard.command_sent".into();
    event.payload = command.to_string().into_bytes();
    let position = append(store, stream, event);
    Place::new(crate::logs::log_of(stream), position)
}

fn run(store: &TwoLogs, bus: &Outlet, outbox: Outbox) -> Running {
    start(Midgard::new(store.clone()).outbox(outbox, bus.clone()))
}

/// Runs an outbox until it has passed these places.
fn run_past(store: &TwoLogs, bus: &Outlet, name: &str, places: &[Place]) {
    let running = run(store, bus, outbox(name));
    for place in places {
        block_on(running.handle.wait_for(name, *place, LONG)).unwrap();
    }
    running.stop().unwrap();
}

/// The numbers of what has left of each log, in order.
fn by_log(bus: &Outlet) -> (Vec<u64>, Vec<u64>) {
    bus.numbers().into_iter().partition(|number| *number < FAR)
}

/// The same, without repeats: of messages that a bus has taken together with a refused one, it does not say so.
fn first_of_each(bus: &Outlet) -> (Vec<u64>, Vec<u64>) {
    let (mut main, mut west) = by_log(bus);
    let mut seen = HashSet::new();
    main.retain(|number| seen.insert(*number));
    west.retain(|number| seen.insert(*number));
    (main, west)
}

fn both(numbers: std::ops::Range<u64>) -> (Vec<u64>, Vec<u64>) {
    let far = numbers.clone().map(|number| FAR + number);
    (numbers.collect(), far.collect())
}

#[test]
fn the_messages_of_each_log_leave_once_in_order_and_name_their_place() {
    let (store, bus) = (two_logs(), Outlet::default());
    tell_both(&store, 0..30);
    let midgard = || Midgard::new(store.clone()).outbox(outbox("outbox"), bus.clone());
    block_on(midgard().catch_up()).unwrap();
    assert_eq!(by_log(&bus), both(0..30));
    for message in bus.published() {
        let number = number(&message);
        let log = message.place.unwrap().log;
        assert_eq!(log == WEST, number >= FAR, "{number}");
    }
    tell(&store, "west-1", "bob", FAR + 30);
    tell(&store, "orders-1", "ann", 30);
    block_on(midgard().catch_up()).unwrap();
    assert_eq!(by_log(&bus), both(0..31));
}

#[test]
fn messages_that_are_refused_in_both_logs_hold_up_only_their_own_keys() {
    let (store, bus) = (two_logs(), Outlet::default());
    bus.refuse(&["\"number\":3}", "\"number\":1003}"]);
    let places = tell_both(&store, 0..10);
    let running = run(&store, &bus, outbox("outbox"));
    for place in places {
        block_on(running.handle.wait_for("outbox", place, LONG)).unwrap();
    }
    assert_eq!(first_of_each(&bus), both(0..3));
    bus.refuse(&[]);
    let retried = block_on(
        running
            .handle
            .retry_all("outbox", |letter| letter.failures > 0),
    );
    assert_eq!(retried.unwrap(), 2);
    let is_free = |status: &Status| status.parked == 0;
    running.wait_until("outbox", is_free);
    running.stop().unwrap();
    assert_eq!(first_of_each(&bus), both(0..10));
}

#[test]
fn the_commands_of_each_log_leave_once_whatever_the_name_of_the_outbox() {
    let (store, bus) = (two_logs(), Outlet::default());
    // The second log is longer: how far one has left says nothing about the other.
    for number in 0..5 {
        send(&store, "west-sender", FAR + number);
    }
    let places = [
        send(&store, "sender", 0),
        send(&store, "west-sender", FAR + 5),
    ];
    run_past(&store, &bus, "first", &places);
    let wanted = (vec![0], (FAR..FAR + 6).collect::<Vec<_>>());
    assert_eq!(by_log(&bus), wanted);
    let places = [
        send(&store, "sender", 1),
        send(&store, "west-sender", FAR + 6),
    ];
    let bus = Outlet::default();
    let running = run(
        &store,
        &bus,
        outbox("second").from(midgard::StartFrom::Start),
    );
    for place in places {
        let wait = running.handle.wait_for("second", place, LONG);
        block_on(wait).unwrap();
    }
    running.stop().unwrap();
    assert_eq!(by_log(&bus), (vec![1], vec![FAR + 6]));
}

/// An aggregate whose streams are in the second log.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "west", id = String, events(Noted))]
struct West;

impl Apply<Noted> for West {
    fn apply(&mut self, _: Noted) {}
}

impl Command<West> for Note {
    type Error = Infallible;

    fn decide(&self, _: &West) -> Result<Events<West>, Infallible> {
        Ok(events![Noted { number: self.0 }])
    }
}

/// Changes an aggregate in each log for message 1, and one for any other.
#[derive(Inbox)]
#[inbox(name = "service", events(Told))]
struct Both;

impl Subscribe<Told> for Both {
    async fn receive(
        &self,
        told: Told,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        context
            .execute::<Notes, _>(&told.key, &Note(told.number))
            .await?;
        if told.number == 1 {
            context
                .execute::<West, _>(&told.key, &Note(told.number))
                .await?;
        }
        Ok(())
    }
}

/// Publishes messages 1 and 2 to an inbox that would wait for a day before a retry, and waits until one of them is handled
/// and the other parked. Returns the id of that one, and its error.
fn parked_at_once(
    add: impl FnOnce(Midgard<TwoLogs>, InProcessBus, InboxOptions) -> Midgard<TwoLogs>,
) -> (String, String) {
    let bus = InProcessBus::new();
    let retry = FailurePolicy::retry(1000).first_after(Duration::from_secs(86_400));
    let options = InboxOptions::new().on_failure(retry.then_park());
    let running = start(add(Midgard::new(two_logs()), bus.clone(), options));
    publish(&bus, &[told("ann", 1), told("ann", 2)]);
    running.wait_until("service", |status| {
        (status.parked, status.handled) == (1, 1)
    });
    let parked = running.parked();
    let [(_, id, error)] = &parked[..] else {
        panic!("one is parked: {parked:?}");
    };
    let parked = (id.clone(), error.clone());
    running.stop().unwrap();
    parked
}

#[test]
fn a_message_that_changes_both_logs_is_parked_at_once_and_blocks_nobody() {
    let (id, error) =
        parked_at_once(|midgard, bus, options| midgard.inbox_with(Both, bus, options));
    assert_eq!(id, "message-1");
    let said = "the append concerns log 0 and log 3, and is atomic in one log only";
    assert!(error.contains(said), "{error}");
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "seat_taken")]
struct SeatTaken {
    #[event(tag = "show")]
    show: String,
}

/// A model of the main log.
#[derive(Debug, DecisionModel)]
#[decision(events(SeatTaken))]
struct Seats {
    #[decision(tag)]
    show: String,
    taken: u32,
}

impl Apply<SeatTaken> for Seats {
    fn apply(&mut self, _: SeatTaken) {
        self.taken += 1;
    }
}

/// Changes an aggregate in the second log; for any message but 1 only while the show has seats.
#[derive(Inbox)]
#[inbox(name = "service", events(Told))]
struct WhileSeats;

impl Subscribe<Told> for WhileSeats {
    async fn receive(
        &self,
        told: Told,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        if told.number > 1 && context.load_model(Seats::of(told.key.clone())).await?.taken > 9 {
            return Ok(());
        }
        context
            .execute::<West, _>(&told.key, &Note(told.number))
            .await?;
        Ok(())
    }
}

#[test]
fn a_message_that_reads_a_model_and_an_aggregate_of_another_log_is_parked_at_once() {
    let (id, error) =
        parked_at_once(|midgard, bus, options| midgard.inbox_with(WhileSeats, bus, options));
    assert_eq!(id, "message-2");
    assert!(error.contains("log 0 and log 3"), "{error}");
}
