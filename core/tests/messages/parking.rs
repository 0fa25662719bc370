//! What is done with messages that cannot be handled.

use super::kit::{
    Count, Fault, FaultyStore, LONG, Notes, Scene, Service, Told, noted, notes, parking, publish,
    start, told,
};
use midgard::bus::{ForeignMessage, InProcessBus, Message, Purpose, Topic};
use midgard::consumer::{ConsumerState, FailurePolicy, HandleError, RunError};
use midgard::event::Encoded;
use midgard::inbox::InboxOptions;
use midgard::store::EntryWrite;
use midgard::{
    Command, Events, HandlerError, Inbox, MemoryStore, MessageContext, Midgard, Refused,
    RemoteCommand as _, Store as _, Subscribe, block_on,
};
use std::thread;
use std::time::Duration;

/// Writes down nothing more of anybody.
#[derive(Debug)]
struct Refuse;

impl Command<Notes> for Refuse {
    type Error = &'static str;

    fn decide(&self, _: &Notes) -> Result<Events<Notes>, &'static str> {
        Err("the book is full")
    }
}

#[derive(Inbox)]
#[inbox(name = "service", events(Told))]
struct Full;

impl Subscribe<Told> for Full {
    async fn receive(
        &self,
        told: Told,
        context: &mut MessageContext<'_>,
    ) -> Result<(), HandlerError> {
        let refused = context.execute::<Notes, _>(&told.key, &Refuse).await;
        let refused = refused.map(|_| ()).unwrap_err();
        assert!(refused.is::<Refused>());
        Err(refused)
    }
}

#[test]
fn a_command_that_is_refused_for_an_event_is_named_with_its_aggregate_and_the_reason() {
    let scene = Scene::<MemoryStore>::new();
    let midgard = Midgard::new(scene.store.clone());
    let running = start(midgard.inbox_with(Full, scene.bus.clone(), parking()));
    publish(&scene.bus, &[told("ann", 1)]);
    running.wait_until("service", |status| status.parked == 1);
    assert_eq!(
        running.parked()[0].2,
        "aggregate \"notes-ann\" has refused command messages::parking::Refuse: the book is full"
    );
    running.stop().unwrap();
}

/// What an earlier release took for no message, as it wrote it down.
fn park_as_foreign(store: &MemoryStore, number: &str, attributes: &str, data: &str) {
    let note = format!(
        r#"{{"format":1,"message":null,"attributes":{attributes},"data":"{data}","key":null,"place":0,"error":"its `correlationid` is \"7\" (invalid length)","failures":0,"parked":1700000000000000,"tried":1700000000000000}}"#
    );
    let key = format!("inbox/service/parked/{number}");
    let mut write = EntryWrite::new();
    write.set(key.into_bytes(), Some(note.into_bytes()));
    block_on(store.write_entries(write)).unwrap();
}

#[test]
fn what_an_earlier_release_took_for_no_message_is_read_anew_when_it_is_retried() {
    let scene = Scene::<MemoryStore>::new();
    let attributes = r#"[["correlationid","7"],["id","a"],["source","others"],["specversion","1.0"],["type","told"],["source","what a bus knows besides"]]"#;
    park_as_foreign(
        &scene.store,
        "1",
        attributes,
        "eyJrZXkiOiJhbm4iLCJudW1iZXIiOjF9",
    );
    // As one text: {"specversion":"1.0","id":"b","source":"others","type":"told","time":"0001-01-01T00:00:00Z","data":{"key":"bob","number":2}}
    let text = "eyJzcGVjdmVyc2lvbiI6IjEuMCIsImlkIjoiYiIsInNvdXJjZSI6Im90aGVycyIsInR5cGUiOiJ0b2xkIiwidGltZSI6IjAwMDEtMDEtMDFUMDA6MDA6MDBaIiwiZGF0YSI6eyJrZXkiOiJib2IiLCJudW1iZXIiOjJ9fQ==";
    park_as_foreign(&scene.store, "2", "[]", text);
    park_as_foreign(&scene.store, "3", "[]", "aGVsbG8=");
    // A program tries what it can read as soon as it runs: here in vain, so that it is left to who asks for it.
    scene.script.fail(1, 1);
    scene.script.fail(2, 1);
    let running = scene.start(parking());
    running.wait_for_parked(|parked| parked.iter().map(|one| one.failures).eq([1, 1, 0]));
    for number in ["1", "2", "3"] {
        block_on(running.handle.retry_message("service", number)).unwrap();
    }
    running.wait_until("service", |status| status.handled == 2);
    assert_eq!(noted(&scene.store, "ann"), [1]);
    assert_eq!(noted(&scene.store, "bob"), [2]);
    let parked = running.parked();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].0, "3");
    // The same message once more is known.
    let attributes = [
        ("specversion", "1.0"),
        ("id", "a"),
        ("source", "others"),
        ("type", "told"),
    ];
    let again = Message::from_attributes(attributes, br#"{"key":"ann","number":1}"#.to_vec());
    publish(&scene.bus, &[again.unwrap(), told("ann", 4)]);
    assert_eq!(noted(&scene.store, "ann"), [1, 4]);
    running.stop().unwrap();
}

#[test]
fn what_fails_for_good_is_parked_with_what_follows_of_its_key_and_retried_in_order() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 4);
    let policy = FailurePolicy::retry(2).first_after(Duration::from_millis(1));
    let running = scene.start(InboxOptions::new().on_failure(policy.then_park()));
    publish(
        &scene.bus,
        &[
            told("ann", 1),
            told("ann", 2),
            told("bob", 3),
            told("ann", 4),
        ],
    );
    assert_eq!(
        scene
            .script
            .calls()
            .iter()
            .filter(|call| **call == 1)
            .count(),
        3
    );
    assert_eq!(
        (noted(&scene.store, "ann"), noted(&scene.store, "bob")),
        (vec![], vec![3])
    );
    assert_eq!(
        running.parked_ids(),
        ["message-1", "message-2", "message-4"]
    );
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    assert!(parked.iter().all(|parked| parked.holds_key));
    assert_eq!((parked[0].failures, &*parked[0].error), (3, "no 1 today"));
    assert_eq!(parked[1].failures, 0);
    assert_eq!(
        parked[1].error,
        "an earlier message of key \"ann\" is parked"
    );

    // It fails once more; whichever of the key is asked for, it begins with the first.
    let retry = |number: &str| block_on(running.handle.retry_message("service", number)).unwrap();
    retry(&parked[2].number);
    running.wait_for_parked(|parked| parked[0].failures == 4);
    assert_eq!(noted(&scene.store, "ann"), [] as [u64; 0]);
    retry(&parked[1].number);
    running.wait_until("service", |status| status.parked == 0);
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 4]);
    publish(&scene.bus, &[told("ann", 5), told("ann", 1)]);
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 4, 5]);
    assert!(notes(&scene.store, "inbox/service/held/").is_empty());
    assert!(notes(&scene.store, "inbox/service/behind/").is_empty());
    running.stop().unwrap();
}

#[test]
fn a_retry_that_the_end_of_the_program_cuts_short_goes_on_in_the_next() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    let running = scene.start(parking());
    let numbers: Vec<_> = (1..=4).map(|number| told("ann", number)).collect();
    publish(&scene.bus, &numbers);
    let first = running.parked()[0].0.clone();
    scene.script.close(2);
    block_on(running.handle.retry_message("service", &first)).unwrap();
    scene.script.wait_for_calls(3);
    running.handle.stop();
    scene.script.open();
    running.end().unwrap();
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    let running = scene.start(parking());
    running.wait_until("service", |status| status.handled == 2);
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 3, 4]);
    running.stop().unwrap();
    assert!(notes(&scene.store, "inbox/service/request/").is_empty());
}

#[test]
fn what_is_evicted_is_never_handled_and_the_rest_waits_until_it_is_retried() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, u32::MAX);
    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 1), told("ann", 2)]);
    let first = running.parked()[0].0.clone();
    block_on(running.handle.evict_message("service", &first)).unwrap();
    running.wait_until("service", |status| status.parked == 1);
    publish(&scene.bus, &[told("ann", 3)]);
    assert_eq!(running.parked_ids(), ["message-2", "message-3"]);
    let gone = block_on(running.handle.retry_message("service", &first));
    assert!(matches!(gone, Err(HandleError::NotParked { .. })));
    let next = running.parked()[0].0.clone();
    block_on(running.handle.retry_message("service", &next)).unwrap();
    running.wait_until("service", |status| status.parked == 0);
    assert_eq!(noted(&scene.store, "ann"), [2, 3]);
    running.stop().unwrap();
}

#[test]
fn what_cannot_be_read_is_parked_with_the_reason_and_is_in_nobodys_way() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    let mut shapeless = told("ann", 1);
    shapeless.payload = b"{}".to_vec();
    // What one of a newer version holds up, `knowledge` shows.
    let mut unknown = told("bob", 2);
    unknown.schema_version = 7;
    let foreign = ForeignMessage::new("it has no id", vec![], b"hello".to_vec());
    let topic = Topic::event("told");
    publish(&scene.bus, &[shapeless, unknown]);
    scene.bus.send_foreign(&topic, foreign);
    publish(&scene.bus, &[told("ann", 3)]);
    running.wait_until("service", |status| status.parked == 3);
    assert_eq!(noted(&scene.store, "ann"), [3]);
    let parked = block_on(running.handle.parked_messages("service")).unwrap();
    let holds: Vec<bool> = parked.iter().map(|parked| parked.holds_key).collect();
    assert_eq!(holds, [false, true, false]);
    assert!(parked[0].error.contains("does not fit the event's struct"));
    assert!(parked[1].error.contains("versions 1 to 1"));
    assert_eq!(parked[2].error, "it has no id");
    let foreign = parked[2].content.as_ref().unwrap_err();
    assert_eq!(
        (&*foreign.reason, &*foreign.payload),
        ("it has no id", &b"hello"[..])
    );
    // Retried in vain, the reason is as it was.
    block_on(running.handle.retry_message("service", &parked[2].number)).unwrap();
    running.wait_for_parked(|now| now[2].tried_at != parked[2].tried_at);
    assert_eq!(running.parked()[2].2, "it has no id");
    running.stop().unwrap();
}

#[test]
fn what_cannot_be_read_and_was_parked_behind_another_lets_the_rest_pass() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    let running = scene.start(parking());
    let mut shapeless = told("ann", 2);
    shapeless.payload = b"{}".to_vec();
    publish(&scene.bus, &[told("ann", 1), shapeless, told("ann", 3)]);
    let first = running.parked()[0].0.clone();
    block_on(running.handle.retry_message("service", &first)).unwrap();
    running.wait_until("service", |status| status.parked == 1);
    assert_eq!(noted(&scene.store, "ann"), [1, 3]);
    publish(&scene.bus, &[told("ann", 4)]);
    assert_eq!(noted(&scene.store, "ann"), [1, 3, 4]);
    assert_eq!(running.parked_ids(), ["message-2"]);
    running.stop().unwrap();
}

#[test]
fn a_panic_is_a_failure_of_the_handler() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.panic(1);
    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 1), told("bob", 2)]);
    assert_eq!(noted(&scene.store, "bob"), [2]);
    assert_eq!(running.parked()[0].2, "the handler panicked: bad luck");
    running.stop().unwrap();
}

#[test]
fn it_stops_before_a_message_that_fails_when_it_is_told_to_and_goes_on_with_it() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    let running = scene.start(InboxOptions::new().on_failure(FailurePolicy::retry(0)));
    let bus = scene.bus.clone();
    let publishing = thread::spawn(move || publish(&bus, &[told("ann", 1), told("ann", 2)]));
    running.wait_until("service", |status| status.state == ConsumerState::Failed);
    assert_eq!(noted(&scene.store, "ann"), [] as [u64; 0]);
    running.handle.restart("service").unwrap();
    publishing.join().unwrap();
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    running.stop().unwrap();

    scene.script.fail(3, 1);
    let running = scene.start(InboxOptions::new().on_failure(FailurePolicy::retry(0)));
    let bus = scene.bus.clone();
    let publishing = thread::spawn(move || publish(&bus, &[told("ann", 3)]));
    running.wait_until("service", |status| status.state == ConsumerState::Failed);
    let ended = running.stop();
    assert!(matches!(ended, Err(RunError::Failed { .. })), "{ended:?}");
    scene
        .start(parking())
        .wait_until("service", |status| status.handled == 1);
    publishing.join().unwrap();
}

#[test]
fn what_is_skipped_is_passed_over_for_good() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    let policy = FailurePolicy::retry(0).then_skip();
    let running = scene.start(InboxOptions::new().on_failure(policy));
    publish(
        &scene.bus,
        &[told("ann", 1), told("ann", 2), told("ann", 1)],
    );
    assert_eq!(noted(&scene.store, "ann"), [2]);
    let status = running.handle.status_of("service").unwrap();
    assert_eq!((status.skipped, status.parked, status.handled), (1, 0, 1));
    running.stop().unwrap();
}

#[test]
fn what_is_parked_and_nobody_knows_it_is_parked_once() {
    let scene = Scene::<FaultyStore>::new();
    scene.script.fail(1, 1);
    scene.store.layer().fail_commits([Fault::Forget]);
    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 1), told("ann", 2)]);
    assert_eq!(running.parked_ids(), ["message-1", "message-2"]);
    let first = running.parked()[0].0.clone();
    scene.store.layer().fail_commits([Fault::Forget]);
    block_on(running.handle.retry_message("service", &first)).unwrap();
    running.wait_for_parked(<[_]>::is_empty);
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    assert!(notes(&scene.store, "inbox/service/held/").is_empty());
    assert!(notes(&scene.store, "inbox/service/behind/").is_empty());
    running.stop().unwrap();
}

#[test]
fn what_fails_here_and_was_handled_elsewhere_meanwhile_is_not_parked() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(1);
    scene.script.fail(1, 1);
    let here = scene.start(parking());
    let bus = scene.bus.clone();
    let slow = thread::spawn(move || publish(&bus, &[told("ann", 1)]));
    scene.script.wait_for_calls(1);
    let (other, quick) = (InProcessBus::new(), Default::default());
    let elsewhere = Midgard::new(scene.store.clone())
        .outbox_elsewhere()
        .inbox(Service(quick), other.clone());
    let there = start(elsewhere);
    publish(&other, &[told("ann", 1)]);
    scene.script.open();
    slow.join().unwrap();
    assert_eq!(noted(&scene.store, "ann"), [1]);
    assert!(here.parked().is_empty(), "{:?}", here.parked());
    here.stop().unwrap();
    there.stop().unwrap();
}

#[test]
fn what_is_too_large_to_be_parked_is_set_aside_at_the_bus() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    let huge = ForeignMessage::new("it is no message", vec![], vec![7; 17 << 20]);
    scene.bus.send_foreign(&Topic::event("told"), huge);
    publish(&scene.bus, &[told("ann", 1)]);
    let end = std::time::Instant::now() + LONG;
    while scene.bus.set_aside("service").is_empty() {
        assert!(std::time::Instant::now() < end);
        thread::yield_now();
    }
    assert_eq!(noted(&scene.store, "ann"), [1]);
    assert!(
        scene.bus.set_aside("service")[0]
            .reason
            .contains("16777216")
    );
    assert!(running.parked().is_empty());
    running.stop().unwrap();
}

#[test]
fn a_message_that_no_handler_is_for_is_parked_and_handled_once_there_is_one() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    // As it comes when the program that asked for it was replaced by an older one.
    let mut other = Message::event("orders", "told", 1, b"{}".to_vec());
    other.purpose = Purpose::Command {
        service: "service".to_owned(),
    };
    other.name = "count".to_owned();
    other.schema_version = 2;
    publish(&scene.bus, &[other]);
    assert!(
        running.parked()[0].2.contains("versions 1 to 1"),
        "{:?}",
        running.parked()
    );
    running.stop().unwrap();
}

#[test]
fn what_is_parked_of_a_key_is_retried_in_order_though_a_clock_was_wrong() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 1);
    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 1)]);
    running.stop().unwrap();
    // As if it had been parked by a machine whose clock was years ahead.
    let prefix = "inbox/service/parked/";
    let [(number, note)] = notes(&scene.store, prefix).try_into().unwrap();
    let mut write = EntryWrite::new();
    write.set(format!("{prefix}{number}").into_bytes(), None);
    let late = format!("{prefix}ffffffff-ffff-7fff-bfff-ffffffffffff");
    write.set(late.into_bytes(), Some(note.into_bytes()));
    let behind = "inbox/service/behind/";
    let [(place, note)] = notes(&scene.store, behind).try_into().unwrap();
    let note = note.replace(&number, "ffffffff-ffff-7fff-bfff-ffffffffffff");
    let place = format!("{behind}{place}");
    write.set(place.into_bytes(), Some(note.into_bytes()));
    block_on(scene.store.write_entries(write)).unwrap();

    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 2), told("ann", 3)]);
    let parked = running.parked();
    assert_eq!(parked.len(), 3);
    block_on(running.handle.retry_message("service", &parked[0].0)).unwrap();
    running.wait_until("service", |status| status.parked == 0);
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 3]);
    running.stop().unwrap();
}

/// The service before it knew commands.
#[derive(Inbox)]
#[inbox(name = "service", events(Told))]
struct OldService;

impl Subscribe<Told> for OldService {
    async fn receive(&self, _: Told, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[test]
fn what_an_old_version_is_given_and_only_the_new_one_knows_is_handled_by_the_new_one() {
    let scene = Scene::<MemoryStore>::new();
    let old = Midgard::new(scene.store.clone()).inbox(OldService, scene.bus.clone());
    let old = start(old);
    publish(&scene.bus, &[told("bob", 1)]);
    // From here on the queue asks for commands, and the old one is at work still.
    let new = scene.start(parking());
    let command = Count {
        key: "ann".to_owned(),
        number: 2,
    };
    let purpose = Purpose::Command {
        service: "service".to_owned(),
    };
    let data = serde_json::to_vec(&command).unwrap();
    publish(
        &scene.bus,
        &[Message::new(
            purpose,
            "orders",
            Encoded::json(Count::NAME, 1, data),
        )],
    );
    assert_eq!(old.handle.status_of("service").unwrap().parked, 1);
    scene.script.wait_for_calls(1);
    new.wait_until("service", |status| status.handled == 1);
    assert_eq!(noted(&scene.store, "ann"), [2]);
    assert!(new.parked().is_empty());
    new.stop().unwrap();
    old.stop().unwrap();
}
