//! Handlers of an inbox that never end, errors that panic, and a bus that does: none is in the way of anything else.

use super::kit::{Told, parking, publish, start, start_undeclared, tell, told};
use midgard::bus::{BusError, InProcessBus, Publisher as _, Queue, Subscriber};
use midgard::consumer::{ConsumerState, HandlingStage, RunError};
use midgard::{
    HandlerError, Inbox, MemoryStore, MessageContext, Midgard, Outbox, Subscribe, block_on,
};
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Never ends with 1, and cannot say what is wrong with 2.
#[derive(Inbox)]
#[inbox(name = "service", events(Told))]
struct Odd;

#[derive(Debug)]
struct Speechless;

impl fmt::Display for Speechless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Speechless {}

impl Subscribe<Told> for Odd {
    async fn receive(&self, event: Told, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        match event.number {
            1 => pending().await,
            2 => Err(Speechless.into()),
            _ => Ok(()),
        }
    }
}

#[test]
fn a_handler_that_takes_too_long_and_an_error_without_words_have_failed() {
    let bus = InProcessBus::new();
    let options = parking().handler_timeout(Duration::from_millis(50));
    let midgard = Midgard::new(MemoryStore::new());
    let running = start(midgard.inbox_with(Odd, bus.clone(), options));
    publish(&bus, &[told("ann", 1), told("bob", 2), told("cid", 3)]);
    running.wait_until("service", |status| {
        (status.parked, status.handled) == (2, 1)
    });
    let mut errors: Vec<_> = running
        .parked()
        .into_iter()
        .map(|parked| parked.2)
        .collect();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            "an error whose text could not be made, as that panicked: no words",
            "the handler had not ended after 50ms, and was given up",
        ]
    );
    running.stop().unwrap();
}

#[test]
fn the_status_names_the_message_that_a_handler_is_at() {
    let bus = InProcessBus::new();
    let midgard = Midgard::new(MemoryStore::new()).stop_within(Duration::from_millis(50));
    let running = start(midgard.inbox_with(Odd, bus.clone(), parking()));
    let endless = told("ann", 1);
    let id = endless.id.clone();
    let publishing = std::thread::spawn(move || block_on(bus.publish(&[endless])));
    let handling = loop {
        let status = running.handle.status_of("service").unwrap();
        if let Some(handling) = status.handling {
            break handling;
        }
        std::thread::yield_now();
    };
    assert_eq!(handling.stage, HandlingStage::Handler);
    assert_eq!(
        (&*handling.name, handling.message, handling.place),
        ("told", Some(id.clone()), None)
    );
    let error = running.stop().unwrap_err();
    assert!(matches!(error, RunError::NotStopped { .. }), "{error}");
    let said = format!("handling \"told\" of message {id} since ");
    assert!(error.to_string().contains(&said), "{error}");
    drop(publishing);
}

/// A bus that panics a few times before it works.
#[derive(Clone)]
struct Panicking(InProcessBus, Arc<AtomicU32>);

impl Subscriber for Panicking {
    type Deliveries = <InProcessBus as Subscriber>::Deliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        self.0.declare(queue).await
    }

    async fn subscribe(&self, queue: &Queue) -> Result<Self::Deliveries, BusError> {
        let fewer = |left: u32| left.checked_sub(1);
        let order = Ordering::SeqCst;
        assert!(
            self.1.fetch_update(order, order, fewer).is_err(),
            "no runtime"
        );
        self.0.subscribe(queue).await
    }
}

#[test]
fn a_bus_that_panics_ends_no_other_consumer_and_is_tried_again() {
    let (store, bus) = (MemoryStore::new(), InProcessBus::new());
    let panics = Arc::new(AtomicU32::new(u32::MAX));
    let panicking = Panicking(bus.clone(), panics.clone());
    let midgard = Midgard::new(store.clone())
        .inbox_with(Odd, panicking, parking())
        .outbox(Outbox::new("orders").publish::<Told>(), bus.clone());
    let running = start(midgard);
    running.wait_until("service", |status| status.last_error.is_some());
    let error = running.handle.status_of("service").unwrap().last_error;
    assert_eq!(error.unwrap().message, "a function panicked: no runtime");
    panics.store(0, Ordering::SeqCst);
    let last = tell(&store, "orders-1", "ann", 3);
    running.wait("outbox", last);
    running.wait_until("service", |status| status.handled == 1);
    running.stop().unwrap();

    // One that never works fails when the program is to end.
    let panicking = Panicking(bus, Arc::new(AtomicU32::new(u32::MAX)));
    let midgard = Midgard::new(store).inbox_with(Odd, panicking, parking());
    let running = start_undeclared(midgard);
    running.wait_until("service", |status| status.state == ConsumerState::Retrying);
    running.stop().unwrap();
}
