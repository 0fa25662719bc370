//! One effect for each message, in order.

use super::kit::{
    Fault, FaultyStore, Feed, LONG, Scene, Service, noted, notes, parking, publish, start, tell,
    told, unavailable, within,
};
use futures_util::future::join_all;
use midgard::bus::{InProcessBus, Publisher};
use midgard::consumer::{ConsumerState, FailurePolicy, HandleError};
use midgard::inbox::InboxOptions;
use midgard::{MemoryStore, Midgard, Place, Position, block_on};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

#[test]
fn a_commit_that_fails_or_is_not_known_leads_to_one_effect() {
    for fault in [Fault::Fail, Fault::Forget] {
        let scene = Scene::<FaultyStore>::new();
        scene.store.layer().fail_commits([fault, fault]);
        let running = scene.start(parking());
        publish(&scene.bus, &[told("ann", 1), told("ann", 2)]);
        assert_eq!(noted(&scene.store, "ann"), [1, 2], "{fault:?}");
        let status = running.handle.status_of("service").unwrap();
        assert_eq!(status.state, ConsumerState::Live, "{status}");
        assert!(running.parked().is_empty());
        running.stop().unwrap();
    }
}

#[test]
fn a_store_that_cannot_be_read_is_no_failure_of_the_handler() {
    let scene = Scene::<FaultyStore>::new();
    scene.store.layer().fail_loads(3);
    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 1)]);
    assert_eq!(noted(&scene.store, "ann"), [1]);
    assert!(running.parked().is_empty(), "{:?}", running.parked());
    running.stop().unwrap();
}

#[test]
fn a_message_that_comes_a_hundred_times_has_one_effect() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    publish(&scene.bus, &vec![told("ann", 1); 50]);
    // All at once, and of other keys than its own: nothing but the note tells them apart.
    let others: Vec<_> = (0..50)
        .map(|copy| [told("ann", 1).with_key(format!("key-{copy}"))])
        .collect();
    within(join_all(
        others.iter().map(|other| scene.bus.publish(other)),
    ));
    assert_eq!(noted(&scene.store, "ann"), [1]);
    assert_eq!(running.handle.status_of("service").unwrap().handled, 1);
    running.stop().unwrap();
}

#[test]
fn copies_in_two_queues_that_two_workers_handle_at_once_have_one_effect() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.turns.store(3, Ordering::SeqCst);
    let other = InProcessBus::new();
    let service = Service(scene.script.clone());
    let elsewhere = Midgard::new(scene.store.clone())
        .outbox_elsewhere()
        .inbox(service, other.clone());
    let (here, there) = (scene.start(parking()), start(elsewhere));
    let messages: Vec<_> = (1..=200)
        .map(|number| told(&format!("key-{}", number % 5), number))
        .collect();
    let copies = messages.clone();
    let publishing = thread::spawn(move || publish(&other, &copies));
    publish(&scene.bus, &messages);
    publishing.join().unwrap();
    for key in 0..5 {
        let wanted: Vec<_> = (1..=200).filter(|number| number % 5 == key).collect();
        assert_eq!(noted(&scene.store, &format!("key-{key}")), wanted);
    }
    here.stop().unwrap();
    there.stop().unwrap();
}

#[test]
fn the_same_id_of_another_source_is_another_message() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(parking());
    let (mut one, mut other) = (told("ann", 1), told("ann", 2));
    // Together they read the same.
    (one.source, one.id) = ("a".to_owned(), "b/c".to_owned());
    (other.source, other.id) = ("a/b".to_owned(), "c".to_owned());
    publish(&scene.bus, &[one, other]);
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    running.stop().unwrap();
}

#[test]
fn a_handler_that_meets_another_writer_is_run_again() {
    let scene = Scene::<MemoryStore>::new();
    let store = scene.store.clone();
    let mut others = 3;
    *scene.script.before.lock().unwrap() = Some(Box::new(move |_| {
        if others > 0 {
            others -= 1;
            let event =
                midgard::event::NewEvent::encode(&super::kit::Noted { number: 70 }).unwrap();
            super::kit::append(&store, "notes-ann", event);
        }
    }));
    let running = scene.start(parking());
    publish(&scene.bus, &[told("ann", 1)]);
    assert_eq!(noted(&scene.store, "ann"), [70, 70, 70, 1]);
    assert_eq!(scene.script.calls(), [1, 1, 1, 1]);
    running.stop().unwrap();
}

#[test]
fn messages_of_a_key_come_in_order_with_256_at_once_and_handlers_that_take_their_time() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.turns.store(5, Ordering::SeqCst);
    let running = scene.start(parking());
    let messages: Vec<_> = (0..1200)
        .map(|number| told(&format!("key-{}", number % 12), number))
        .collect();
    publish(&scene.bus, &messages);
    for key in 0..12 {
        let wanted: Vec<_> = (0..1200).filter(|number| number % 12 == key).collect();
        assert_eq!(noted(&scene.store, &format!("key-{key}")), wanted);
    }
    running.stop().unwrap();
}

#[test]
fn another_key_does_not_wait_for_a_handler_that_takes_its_time() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(1);
    let running = scene.start(parking());
    let bus = scene.bus.clone();
    let slow = thread::spawn(move || publish(&bus, &[told("ann", 1), told("ann", 2)]));
    scene.script.wait_for_calls(1);
    publish(&scene.bus, &[told("bob", 3)]);
    assert_eq!(
        (noted(&scene.store, "bob"), noted(&scene.store, "ann")),
        (vec![3], vec![])
    );
    scene.script.open();
    slow.join().unwrap();
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    running.stop().unwrap();
}

#[test]
fn it_goes_on_where_it_was_when_it_is_started_again() {
    let scene = Scene::<MemoryStore>::new();
    for round in 0..5_u64 {
        let running = scene.start(parking());
        // Everything that was told so far comes again.
        let messages: Vec<_> = (0..=round).map(|number| told("ann", number)).collect();
        publish(&scene.bus, &messages);
        running.stop().unwrap();
    }
    assert_eq!(noted(&scene.store, "ann"), [0, 1, 2, 3, 4]);
}

#[test]
fn a_bus_that_is_not_there_at_first_and_comes_and_goes_is_waited_for() {
    let (scene, feed) = (Scene::<MemoryStore>::new(), Feed::default());
    feed.refuse([unavailable(), unavailable()]);
    let service = Service(scene.script.clone());
    let midgard = Midgard::new(scene.store.clone())
        .outbox_elsewhere()
        .inbox(service, feed.clone());
    let running = start(midgard);
    running.wait_until("service", |status| status.last_error.is_some());
    feed.put([Ok(told("ann", 1)), Err(unavailable()), Ok(told("ann", 2))]);
    feed.wait_for_acknowledged("message-2");
    let closed = || midgard::bus::BusError::Closed {
        location: "nowhere".to_owned(),
    };
    feed.put([Err(closed()), Ok(told("ann", 1)), Ok(told("ann", 3))]);
    feed.wait_for_acknowledged("message-3");
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 3]);
    let status = running.handle.status_of("service").unwrap();
    assert_eq!(status.state, ConsumerState::Live);
    assert!(status.last_error.unwrap().message.contains("closed"));
    running.stop().unwrap();
}

#[test]
fn what_waits_behind_a_handler_is_not_kept_twice_when_the_bus_goes_and_comes() {
    let (scene, feed) = (Scene::<MemoryStore>::new(), Feed::default());
    scene.script.close(1);
    let service = Service(scene.script.clone());
    let running = start(
        Midgard::new(scene.store.clone())
            .outbox_elsewhere()
            .inbox(service, feed.clone()),
    );
    let all = || (1..=4).map(|number| Ok(told("ann", number)));
    for _ in 0..3 {
        feed.put(all());
        feed.put([Err(unavailable())]);
    }
    feed.put(all());
    feed.put([Ok(told("bob", 9))]);
    feed.wait_for_acknowledged("message-9");
    scene.script.open();
    feed.wait_for_acknowledged("message-4");
    let ids = [9, 1, 1, 2, 3, 4].map(|number| format!("message-{number}"));
    assert_eq!(feed.acknowledged(), ids);
    assert_eq!(noted(&scene.store, "ann"), [1, 2, 3, 4]);
    running.stop().unwrap();
}

#[test]
fn it_is_remembered_within_the_window_that_a_message_was_handled_and_forgotten_after_it() {
    let scene = Scene::<MemoryStore>::new();
    let count = |kind: &str| notes(&scene.store, &format!("inbox/service/{kind}/")).len();
    let numbers = |range: std::ops::Range<u64>| -> Vec<_> {
        range.map(|number| told("ann", number)).collect()
    };
    let running = scene.start(parking());
    publish(&scene.bus, &numbers(0..1500));
    running.stop().unwrap();
    // Within the window nothing is forgotten; the next message tells that it was looked.
    let running = scene.start(parking().remember(LONG * 100));
    publish(&scene.bus, &numbers(1500..1501));
    assert_eq!((count("seen"), count("seen-at")), (1501, 1501));
    running.stop().unwrap();
    // Without a window all is forgotten, and handled again when it comes again.
    let running = scene.start(parking().remember(Duration::ZERO));
    publish(&scene.bus, &numbers(1501..1502));
    publish(&scene.bus, &numbers(1502..1503));
    publish(&scene.bus, &numbers(1503..1504));
    assert!(count("seen") <= 3 && count("seen") == count("seen-at"));
    publish(&scene.bus, &numbers(0..1));
    running.stop().unwrap();
    let noted = noted(&scene.store, "ann");
    assert_eq!((noted.len(), noted.last()), (1505, Some(&0)));
}

#[test]
fn no_position_of_the_log_is_waited_for_at_an_inbox() {
    let scene = Scene::<MemoryStore>::new();
    let running = scene.start(InboxOptions::new());
    let waited = block_on(
        running
            .handle
            .wait_for("service", Place::main(Position(1)), LONG),
    );
    assert!(
        matches!(waited, Err(HandleError::NotOfTheLog { .. })),
        "{waited:?}"
    );
    assert!(
        waited
            .unwrap_err()
            .to_string()
            .contains("\"service\" is an inbox")
    );
    running.stop().unwrap();
}

#[test]
fn the_status_of_an_inbox_counts_messages() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(2, 1);
    let running = scene.start(parking());
    publish(
        &scene.bus,
        &[told("ann", 1), told("bob", 2), told("bob", 3)],
    );
    let status = running.handle.status_of("service").unwrap();
    let line = status.to_string();
    let wanted = "inbox service: live, 1 message handled, 2 messages parked; last error at ";
    assert!(line.starts_with(wanted), "{line}");
    running.stop().unwrap();
}

#[test]
fn a_message_that_fails_at_first_is_tried_again_and_all_is_well_then() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, 2);
    let policy = FailurePolicy::retry(2).first_after(Duration::from_millis(1));
    let running = scene.start(InboxOptions::new().on_failure(policy.then_park()));
    publish(&scene.bus, &[told("ann", 1)]);
    assert_eq!(noted(&scene.store, "ann"), [1]);
    let status = running.handle.status_of("service").unwrap();
    assert_eq!(status.state, ConsumerState::Live);
    assert_eq!(status.last_error.unwrap().failures, 2);
    running.stop().unwrap();
}

#[test]
fn a_message_waits_for_a_service_that_is_declared_and_not_running() {
    let scene = Scene::<MemoryStore>::new();
    let midgard = scene.midgard(parking());
    within(midgard.declare()).unwrap();
    let bus = scene.bus.clone();
    let publishing = thread::spawn(move || within(bus.publish(&[told("ann", 1)])).unwrap());
    let running = super::kit::start_undeclared(midgard);
    assert!(publishing.join().unwrap().unheard.is_empty());
    assert_eq!(noted(&scene.store, "ann"), [1]);
    running.stop().unwrap();
}

#[test]
fn what_catches_up_publishes_and_handles_what_the_log_has() {
    let scene = Scene::<MemoryStore>::new();
    for number in 0..100 {
        tell(&scene.store, "orders-1", "ann", number);
    }
    let outbox = midgard::Outbox::new("orders").publish::<super::kit::Told>();
    let midgard = scene.midgard(parking()).outbox(outbox, scene.bus.clone());
    within(midgard.declare()).unwrap();
    within(midgard.catch_up()).unwrap();
    assert_eq!(noted(&scene.store, "ann"), (0..100).collect::<Vec<_>>());
}
