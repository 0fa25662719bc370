//! A bus within the process.

use super::bus::{deliver, letters};
use midgard::bus::{DynBus, InProcessBus, Publisher, Subscriber, Topic};
use midgard_contract::{BusFixture, SetAside, Stranger};
use std::marker::PhantomData;
use std::time::Duration;

/// Fixtures of the bus itself, and of what wraps it.
pub(crate) struct InProcess<B> {
    bus: InProcessBus,
    wrapped: PhantomData<fn() -> B>,
}

pub(crate) trait Wrap {
    fn wrap(bus: InProcessBus) -> Self;
}

impl Wrap for InProcessBus {
    fn wrap(bus: InProcessBus) -> Self {
        bus
    }
}

impl Wrap for DynBus {
    fn wrap(bus: InProcessBus) -> Self {
        DynBus::new(bus)
    }
}

impl<B: Wrap + Publisher + Subscriber + Clone> BusFixture for InProcess<B> {
    type Bus = B;

    const CONFIRMS_WHEN_HANDLED: bool = true;
    const TOO_LARGE: Option<usize> = None;
    const QUIET: Duration = Duration::from_millis(10);

    fn new(_: &str) -> Option<Self> {
        Some(InProcess {
            bus: InProcessBus::new(),
            wrapped: PhantomData,
        })
    }

    fn alone(_: &str) -> Option<Self> {
        None
    }

    async fn open(&self) -> B {
        B::wrap(self.bus.clone())
    }

    async fn send(&self, topic: &Topic, stranger: Stranger) {
        deliver(&self.bus, topic, stranger);
    }

    async fn set_aside(&self, queue: &str) -> Vec<SetAside> {
        letters(&self.bus, queue)
    }
}
