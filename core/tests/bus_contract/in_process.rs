//! A bus within the process.

use midgard::bus::{DynBus, ForeignMessage, InProcessBus, Message, Publisher, Subscriber, Topic};
use midgard::testing::{BusFixture, SetAside, Stranger};
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

    /// There are no strangers within a process; but this is what a broker makes of them.
    async fn send(&self, topic: &Topic, stranger: Stranger) {
        let content_type = stranger.content_type.as_deref().unwrap_or_default();
        let read = if is_structured(content_type) {
            Message::from_json(&stranger.body)
        } else {
            let pairs = stranger.attributes.iter();
            let pairs = pairs.map(|(name, value)| (&**name, &**value));
            let all = pairs.chain([("datacontenttype", content_type)]);
            Message::from_attributes(all, stranger.body)
        };
        match read {
            Ok(message) => {
                let messages = [message];
                let mut publish = std::pin::pin!(self.bus.publish(&messages));
                let _ = futures_util::poll!(publish.as_mut());
            }
            Err(foreign) => self.bus.send_foreign(topic, foreign),
        }
    }

    async fn set_aside(&self, queue: &str) -> Vec<SetAside> {
        let aside = self.bus.set_aside(queue).into_iter();
        aside
            .map(|one| SetAside {
                reason: one.reason,
                data: match one.content {
                    Ok(message) => message.data,
                    Err(ForeignMessage { data, .. }) => data,
                },
            })
            .collect()
    }
}

/// Whether a content type is that of one CloudEvent as JSON, with parameters or not.
fn is_structured(content_type: &str) -> bool {
    content_type.split(';').next() == Some("application/cloudevents+json")
}
