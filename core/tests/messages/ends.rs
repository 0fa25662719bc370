//! What happens to what is half done when a program ends.

use super::kit::{
    Fault, FaultyStore, Outlet, Scene, Told, noted, parking, publish, start, tell, told, within,
};
use midgard::consumer::{FailurePolicy, RunError};
use midgard::inbox::InboxOptions;
use midgard::{MemoryStore, Midgard, Outbox};
use std::thread;
use std::time::Duration;

#[test]
fn what_is_half_done_is_finished_and_what_waits_behind_it_comes_again() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.close(1);
    let running = scene.start(parking());
    let bus = scene.bus.clone();
    let publishing = thread::spawn(move || publish(&bus, &[told("ann", 1), told("ann", 2)]));
    scene.script.wait_for_calls(1);
    running.handle.stop();
    scene.script.open();
    running.end().unwrap();
    assert_eq!(
        noted(&scene.store, "ann"),
        [1],
        "it was begun, and the next was not"
    );
    let running = scene.start(parking());
    publishing.join().unwrap();
    assert_eq!(noted(&scene.store, "ann"), [1, 2]);
    assert_eq!(scene.script.calls(), [1, 2], "none is handled twice");
    running.stop().unwrap();
}

#[test]
fn a_message_that_waits_for_its_next_try_is_left_with_all_that_follow_it() {
    for _ in 0..20 {
        let scene = Scene::<MemoryStore>::new();
        scene.script.fail(1, 1);
        let policy = FailurePolicy::retry(9).first_after(Duration::from_secs(3600));
        let slow = InboxOptions::new().on_failure(policy.at_most_every(Duration::from_secs(3600)));
        let running = scene.start(slow);
        let bus = scene.bus.clone();
        let publishing =
            thread::spawn(move || publish(&bus, &[told("ann", 1), told("ann", 2), told("ann", 3)]));
        running.wait_until("service", |status| status.last_error.is_some());
        running.stop().unwrap();
        assert_eq!(
            noted(&scene.store, "ann"),
            [] as [u64; 0],
            "it may not be overtaken"
        );
        let running = scene.start(parking());
        publishing.join().unwrap();
        assert_eq!(noted(&scene.store, "ann"), [1, 2, 3]);
        running.stop().unwrap();
    }
}

#[test]
fn an_outbox_that_waits_for_what_the_same_program_is_to_handle_can_be_stopped() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, u32::MAX);
    let policy = FailurePolicy::retry(u32::MAX).first_after(Duration::from_secs(3600));
    let slow = InboxOptions::new().on_failure(policy.at_most_every(Duration::from_secs(3600)));
    let outbox = Outbox::new("orders").publish::<Told>();
    let running = start(scene.midgard(slow).outbox(outbox, scene.bus.clone()));
    tell(&scene.store, "orders-1", "ann", 1);
    running.wait_until("service", |status| status.last_error.is_some());
    running.stop().unwrap();
}

#[test]
fn an_outbox_ends_though_its_bus_never_answers_and_publishes_again_what_was_not_confirmed() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    let midgard = || {
        let outbox = Outbox::new("orders").publish::<Told>();
        Midgard::new(store.clone()).outbox(outbox, bus.clone())
    };
    bus.set_hangs(true);
    let running = start(midgard());
    tell(&store, "orders-1", "ann", 1);
    bus.wait_for(1);
    let handle = running.handle.clone();
    running.stop().unwrap();
    let status = handle.status_of("outbox").unwrap();
    assert_eq!(status.last_error, None, "being stopped is no failure");
    bus.set_hangs(false);
    within(midgard().catch_up()).unwrap();
    assert_eq!(bus.numbers(), [1, 1]);
}

#[test]
fn an_outbox_that_is_to_publish_all_at_once_fails_when_nobody_has_a_queue() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"number\":1}"]);
    tell(&store, "orders-1", "ann", 1);
    let outbox = Outbox::new("orders").publish::<Told>();
    let ended = within(Midgard::new(store).outbox(outbox, bus).catch_up());
    let Err(RunError::Failed { message, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(
        message.starts_with("nobody has a queue for event.told"),
        "{message}"
    );
}

#[test]
fn what_catches_up_ends_though_an_inbox_of_it_fails_on_what_its_outbox_publishes() {
    let scene = Scene::<MemoryStore>::new();
    scene.script.fail(1, u32::MAX);
    let stopping = InboxOptions::new().on_failure(FailurePolicy::retry(0));
    tell(&scene.store, "orders-1", "ann", 1);
    let outbox = Outbox::new("orders").publish::<Told>();
    let midgard = scene.midgard(stopping).outbox(outbox, scene.bus);
    within(midgard.declare()).unwrap();
    let ended = within(midgard.catch_up());
    let Err(RunError::Failed { name, message, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!((&*name, &*message), ("service", "no 1 today"));
}

#[test]
fn what_catches_up_ends_though_its_store_takes_nothing_of_an_inbox() {
    let scene = Scene::<FaultyStore>::new();
    scene.store.layer().fail_commits([Fault::Fail; 1000]);
    tell(&scene.store, "orders-1", "ann", 1);
    tell(&scene.store, "orders-1", "ann", 2);
    let outbox = Outbox::new("orders").publish::<Told>();
    let midgard = scene.midgard(parking()).outbox(outbox, scene.bus);
    within(midgard.declare()).unwrap();
    let ended = within(midgard.catch_up());
    let Err(RunError::Failed { name, message, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(name, "service");
    assert!(message.contains("the disk is on fire"), "{message}");
}

#[test]
fn an_inbox_that_answers_is_not_run_without_an_outbox() {
    let (store, bus) = (MemoryStore::new(), midgard::bus::InProcessBus::new());
    let program = || {
        let service = super::kit::Service(Default::default());
        Midgard::new(store.clone()).inbox(service, bus.clone())
    };
    let midgard = program();
    let handle = midgard.handle();
    let error = within(midgard.run()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "inbox \"service\" answers commands, and nothing takes the answers out of the log; add an outbox with `Midgard::outbox`, \
         or say with `Midgard::outbox_elsewhere` that another program on this store has one"
    );
    let status = handle.status_of("service").unwrap();
    assert_eq!(status.state, midgard::consumer::ConsumerState::NeverRun);
    let elsewhere = start(program().outbox_elsewhere());
    within(elsewhere.handle.ready()).unwrap();
    elsewhere.stop().unwrap();
}
