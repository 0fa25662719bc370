//! One checkpoint for the commands and answers of a store, whatever outbox carries them; a new outbox says where it begins.

use super::kit::{Noted, Outlet, Running, Told, append, notes, start, tell, within};
use midgard::consumer::{ConsumerOptions, ConsumerState, FailurePolicy, RunError};
use midgard::event::NewEvent;
use midgard::{MemoryStore, Midgard, Outbox, Place, Position, StartFrom, Store, block_on};
use serde_json::json;
use std::time::Duration;

/// Appends a command as a process manager does, whose message has this number.
fn send(store: &MemoryStore, number: u64) -> Position {
    send_about(store, &format!("command-{number}"), number)
}

fn send_about(store: &MemoryStore, key: &str, number: u64) -> Position {
    let command = json!({
        "name": "count", "version": 1, "service": "service", "key": key, "reply_to": "placement",
        "data": { "number": number },
    });
    append_raw(store, "placement-7", "midgard.command_sent", &command)
}

/// Appends an answer as an inbox does.
fn answer(store: &MemoryStore, number: u64) -> Position {
    let answer = json!({
        "command": format!("command-{number}"), "subject": null, "to": "asking", "name": "counted", "version": 1,
        "data": { "number": number },
    });
    append_raw(
        store,
        "service.replies",
        "midgard.command_answered",
        &answer,
    )
}

fn append_raw(store: &MemoryStore, stream: &str, name: &str, data: &serde_json::Value) -> Position {
    let mut event = NewEvent::encode(&Noted { number: 0 }).unwrap();
    event.name = name.to_owned().into();
    event.payload = data.to_string().into_bytes();
    append(store, stream, event)
}

fn outbox(name: &str) -> Outbox {
    let policy = FailurePolicy::retry(0).then_park();
    let options = ConsumerOptions::new().lease(Duration::from_millis(90));
    Outbox::new("orders")
        .named(name)
        .publish::<Told>()
        .options(options.on_failure(policy))
}

fn run(store: &MemoryStore, outbox: Outbox) -> (Running, Outlet) {
    let bus = Outlet::default();
    (
        start(Midgard::new(store.clone()).outbox(outbox, bus.clone())),
        bus,
    )
}

/// Runs an outbox until it has passed a position; gives the numbers of what it has published.
fn published(store: &MemoryStore, name: &str, outbox: Outbox, end: Position) -> Vec<u64> {
    let (running, bus) = run(store, outbox);
    running.wait(name, end);
    running.stop().unwrap();
    bus.numbers()
}

/// Four events and commands: the last position.
fn four(store: &MemoryStore) -> Position {
    tell(store, "orders-1", "ann", 1);
    send(store, 2);
    answer(store, 3);
    tell(store, "orders-1", "ann", 4)
}

#[test]
fn commands_and_answers_leave_once_whatever_the_name_of_the_outbox() {
    let store = MemoryStore::new();
    let end = four(&store);
    assert_eq!(published(&store, "a", outbox("a"), end), [1, 2, 3, 4]);
    let new = outbox("b").from(StartFrom::Start);
    assert_eq!(
        published(&store, "b", new, end),
        [1, 4],
        "what it was asked for"
    );
    // From where the other was, each time, and in the order of the log.
    send(&store, 5);
    let end = tell(&store, "orders-1", "ann", 6);
    assert_eq!(published(&store, "b", outbox("b"), end), [5, 6]);
    answer(&store, 7);
    let end = send(&store, 8);
    assert_eq!(published(&store, "a", outbox("a"), end), [6, 7, 8]);
    let note = r#"{"format":1,"outbox":"a","from":6}"#;
    let carrier = notes(&store, "outbox.carrier");
    assert_eq!(carrier, [(String::new(), note.to_owned())]);
    assert_eq!(published(&store, "b", outbox("b"), end), [0; 0]);
    assert_eq!(published(&store, "a", outbox("a"), end), [0; 0]);
}

#[test]
fn an_outbox_that_is_ahead_sends_the_commands_that_the_one_before_it_has_left() {
    let store = MemoryStore::new();
    let end = four(&store);
    assert_eq!(published(&store, "a", outbox("a"), end), [1, 2, 3, 4]);
    // It has come further in the meantime, as an outbox of events alone.
    send(&store, 5);
    tell(&store, "orders-1", "ann", 6);
    answer(&store, 7);
    let end = tell(&store, "orders-1", "ann", 8);
    let events = outbox("b")
        .from(StartFrom::After(Place::main(Position(4))))
        .events_only();
    assert_eq!(published(&store, "b", events, end), [6, 8]);
    // Killed after the first: the bus has it, and takes no more.
    let (running, bus) = run(&store, outbox("b"));
    bus.wait_for(2);
    running.stop().unwrap();
    assert_eq!(bus.numbers(), [5, 7]);
    assert_eq!(published(&store, "b", outbox("b"), end), [0; 0]);
    let end = send(&store, 9);
    assert_eq!(published(&store, "b", outbox("b"), end), [9]);
    assert_eq!(
        published(&store, "a", outbox("a"), end),
        [6, 8],
        "it had no commands to send"
    );
}

#[test]
fn an_outbox_that_carries_only_events_for_a_while_passes_no_command() {
    let store = MemoryStore::new();
    let end = four(&store);
    assert_eq!(published(&store, "a", outbox("a"), end), [1, 2, 3, 4]);
    send(&store, 5);
    let end = tell(&store, "orders-1", "ann", 6);
    let events = || outbox("a").events_only();
    assert_eq!(published(&store, "a", events(), end), [6]);
    let end = tell(&store, "orders-1", "ann", 7);
    assert_eq!(published(&store, "a", events(), end), [7]);
    let (running, bus) = run(&store, outbox("a"));
    bus.wait_for(1);
    let end = tell(&store, "orders-1", "ann", 8);
    running.wait("a", end);
    running.stop().unwrap();
    assert_eq!(bus.numbers(), [5, 8]);
}

#[test]
fn a_new_outbox_on_a_store_that_had_another_says_where_it_begins() {
    let store = MemoryStore::new();
    let end = four(&store);
    assert_eq!(published(&store, "a", outbox("a"), end), [1, 2, 3, 4]);
    let bus = Outlet::default();
    let midgard = Midgard::new(store.clone()).outbox(outbox("renamed"), bus.clone());
    let handle = midgard.handle();
    let error = within(midgard.run()).unwrap_err();
    assert!(
        matches!(&error, RunError::NewOutbox { name, .. } if name == "renamed"),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "outbox \"renamed\" does not begin: this store has had another outbox, \"a\", and a new one would publish all of \
         history once more; keep that name, with `Outbox::named`, to go on where it was, or say with `Outbox::from` where \
         this one begins"
    );
    let status = handle.status_of("renamed").unwrap();
    assert_eq!(status.last_error.unwrap().message, error.to_string());
    assert_eq!(bus.numbers(), [0; 0]);
    assert_eq!(notes(&store, "outbox/renamed/"), []);
    assert_eq!(
        published(&store, "end", outbox("end").from(StartFrom::End), end),
        [0; 0]
    );
    let next = tell(&store, "orders-1", "ann", 5);
    assert_eq!(published(&store, "end", outbox("end"), next), [5]);
    let after = outbox("after").from(StartFrom::After(Place::main(Position(3))));
    assert_eq!(published(&store, "after", after, next), [4, 5]);
}

#[test]
fn a_second_outbox_of_the_same_program_begins_with_the_first_event() {
    let store = MemoryStore::new();
    let end = four(&store);
    assert_eq!(published(&store, "a", outbox("a"), end), [1, 2, 3, 4]);
    let (first, second) = (Outlet::default(), Outlet::default());
    let midgard = Midgard::new(store)
        .outbox(outbox("a"), first.clone())
        .outbox(outbox("b"), second.clone());
    let running = start(midgard);
    running.wait("b", end);
    running.stop().unwrap();
    assert_eq!((first.numbers(), second.numbers()), (vec![], vec![1, 4]));
}

#[test]
fn of_two_programs_whose_outboxes_carry_commands_one_is_at_work_and_the_other_says_why_it_waits() {
    let store = MemoryStore::new();
    let end = four(&store);
    let (first, first_bus) = run(&store, outbox("a"));
    first.wait("a", end);
    let (second, second_bus) = run(&store, outbox("b").from(StartFrom::Start));
    second.wait_until("b", |status| {
        let error = status.last_error.as_ref();
        let is_said = error.is_some_and(|error| {
            error
                .message
                .contains("waits until outbox \"a\" is stopped")
                && error.message.contains("`Outbox::events_only`")
        });
        status.state == ConsumerState::Standby && is_said
    });
    let (third, third_bus) = run(&store, outbox("c").from(StartFrom::Start).events_only());
    third.wait("c", end);
    assert_eq!(third_bus.numbers(), [1, 4]);
    third.stop().unwrap();
    let end = send(&store, 5);
    first.wait("a", end);
    first.stop().unwrap();
    let end = send(&store, 6);
    second.wait("b", end);
    second.stop().unwrap();
    assert_eq!(first_bus.numbers(), [1, 2, 3, 4, 5]);
    assert_eq!(second_bus.numbers(), [1, 4, 6]);
}

#[test]
fn commands_that_are_parked_are_taken_over_with_what_follows_them() {
    let store = MemoryStore::new();
    send(&store, 1);
    let end = send(&store, 2);
    let (running, bus) = run(&store, outbox("a"));
    running.wait("a", end);
    assert_eq!(bus.numbers(), [1, 2]);
    running.stop().unwrap();
    let refused = Outlet::default();
    refused.refuse(&["\"number\":3}"]);
    let end = send_about(&store, "ann", 3);
    let running = start(Midgard::new(store.clone()).outbox(outbox("a"), refused));
    running.wait("a", end);
    assert_eq!(block_on(running.handle.dead_letters("a")).unwrap().len(), 1);
    running.stop().unwrap();
    let end = send_about(&store, "ann", 4);
    let (running, bus) = run(&store, outbox("b").from(StartFrom::Start));
    running.wait("b", end);
    let letters = block_on(running.handle.dead_letters("b")).unwrap();
    assert_eq!(letters.len(), 2, "{letters:?}");
    assert_eq!(bus.numbers(), [0; 0]);
    block_on(running.handle.retry("b", &letters[0].sequence)).unwrap();
    bus.wait_for(2);
    assert_eq!(bus.numbers(), [3, 4]);
    running.stop().unwrap();
}

#[test]
fn a_bus_of_another_id_is_published_everything_and_an_earlier_one_goes_on() {
    let store = MemoryStore::new();
    let end = four(&store);
    let to = |id: &str| outbox("a").bus_id(id);
    assert_eq!(published(&store, "a", to("red"), end), [1, 2, 3, 4]);
    assert_eq!(published(&store, "a", to("red"), end), [0; 0]);
    assert_eq!(published(&store, "a", to("blue"), end), [1, 2, 3, 4]);
    let end = send(&store, 5);
    assert_eq!(published(&store, "a", to("red"), end), [5]);
    for id in ["", "a/b"] {
        let midgard = Midgard::new(store.clone()).outbox(to(id), Outlet::default());
        let error = within(midgard.run()).unwrap_err().to_string();
        assert!(
            error.contains("cannot be the id of the bus of outbox \"a\""),
            "{error}"
        );
    }
}

#[test]
fn what_earlier_releases_have_sent_is_not_sent_again() {
    // As they left it: nothing says who carries the commands.
    let store = MemoryStore::new();
    four(&store);
    let end = send(&store, 5);
    for (key, note) in [
        ("about", r#"{"format":1,"partitions":1,"start":0}"#),
        (
            "0000000000/checkpoint/0/00000",
            r#"{"format":1,"position":4}"#,
        ),
        (
            "0000000000/lease/00000",
            r#"{"format":1,"owner":null,"epoch":2}"#,
        ),
    ] {
        let mut write = midgard::store::EntryWrite::default();
        write.set(
            format!("outbox/outbox/{key}").into_bytes(),
            Some(note.as_bytes().to_vec()),
        );
        block_on(store.write_entries(write)).unwrap();
    }
    let renamed = outbox("b").from(StartFrom::End);
    assert_eq!(published(&store, "b", renamed, end), [5]);
}
