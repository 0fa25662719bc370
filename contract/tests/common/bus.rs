//! What fixtures of buses within a process do.

use futures_util::FutureExt;
use midgard::bus::{ForeignMessage, InProcessBus, Message, Publisher, Topic};
use midgard_contract::{SetAside, Stranger};

/// There are no strangers within a process; but this is what a broker makes of them.
pub(crate) fn deliver(bus: &InProcessBus, topic: &Topic, stranger: Stranger) {
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
        // It is in its queues, and nobody waits until it is handled.
        Ok(message) => drop(bus.publish(&[message]).now_or_never()),
        Err(foreign) => bus.send_foreign(topic, foreign),
    }
}

/// What was set aside.
pub(crate) fn letters(bus: &InProcessBus, queue: &str) -> Vec<SetAside> {
    let payload = |content| match content {
        Ok(Message { payload, .. }) | Err(ForeignMessage { payload, .. }) => payload,
    };
    let aside = bus.set_aside(queue).into_iter();
    aside
        .map(|one| SetAside {
            reason: one.reason,
            payload: payload(one.content),
        })
        .collect()
}

/// Whether a content type is that of one CloudEvent as JSON, with parameters or not.
fn is_structured(content_type: &str) -> bool {
    content_type.split(';').next() == Some("application/cloudevents+json")
}
