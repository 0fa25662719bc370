//! The messages of an event that leaves.

use super::Outbox;
use super::definition::Publish;
use crate::bus::{Message, Purpose};
use crate::consumer::HandlerError;
use crate::event::codec::DecodeError;
use crate::event::reading;
use crate::event::record::RecordedEventRef;
use crate::event::{AnyEvent, Decoded, Encoded, Event, EventPayload};
use std::borrow::Cow;
use std::collections::HashMap;
use uuid::Uuid;

/// The public form of an event.
pub(super) struct Public {
    pub(super) key: Option<String>,
    pub(super) encoded: Encoded,
    pub(super) part: Option<Part>,
}

/// The name of an event, and its number among the events of this name, where its record stands for others, too.
pub(super) type Part = (&'static str, usize);

impl Public {
    /// Returns the message that the recorded event becomes.
    fn message(self, source: &str, event: &RecordedEventRef<'_>) -> Message {
        let key = self.key.unwrap_or_else(|| event.stream.to_owned());
        let mut message = Message::of_recorded(Purpose::Event, event, key, source, self.encoded);
        message.headers = event.headers.to_owned();
        if let Some((name, number)) = self.part {
            // When it is published again, it has the same id, whichever of the others leave.
            let text = format!("{number}/{name}");
            message.id = Uuid::new_v5(&event.id.into(), text.as_bytes()).to_string();
        }
        message
    }
}

/// Turns an event into its public forms.
pub(super) type Route = dyn Fn(Leaving<'_>, &RecordedEventRef<'_>, &mut dyn FnMut(Public)) -> Result<(), RouteError>
    + Send
    + Sync
    + 'static;

/// An event that may leave.
#[derive(Clone, Copy)]
pub(super) enum Leaving<'a> {
    /// An event as it is recorded.
    Recorded,
    /// An event that is read in the place of another, and its number among those of its name.
    Part(&'a dyn AnyEvent, usize),
}

/// Why an event has no message.
pub(super) enum RouteError {
    Decode(DecodeError),
    Other(HandlerError),
}

impl Outbox {
    /// Adds the messages of an event: none, if it is not to leave.
    pub(super) fn messages_of(
        &self,
        event: &RecordedEventRef<'_>,
        messages: &mut Vec<Message>,
    ) -> Result<(), RouteError> {
        let mut to = |public: Public| messages.push(public.message(&self.source, event));
        if let Some(route) = self.routes.get(event.name) {
            return route(Leaving::Recorded, event, &mut to);
        }
        let parts = reading::read_parts(&self.events, &event.encoded(), event)
            .map_err(|reason| RouteError::Decode(DecodeError::new(event, reason)))?;
        let mut numbers = HashMap::new();
        for part in parts.into_iter().flatten() {
            let name = (*part).descriptor().name;
            let number: &mut usize = numbers.entry(name).or_default();
            if let Some(route) = self.routes.get(name) {
                route(Leaving::Part(&*part, *number), event, &mut to)?;
            }
            *number += 1;
        }
        Ok(())
    }
}

/// Returns the events that leave, each with its name and number unless it is the one that its record stands for.
pub(super) fn events_of<E: Event>(
    leaving: Leaving<'_>,
    event: &RecordedEventRef<'_>,
) -> Result<impl Iterator<Item = (E, Option<Part>)>, RouteError> {
    let (events, first, is_part) = match leaving {
        Leaving::Recorded => {
            let decoded = reading::decode::<E>(event).map_err(RouteError::Decode)?;
            (decoded, 0, false)
        }
        Leaving::Part(part, number) => {
            let part = part.as_any().downcast_ref::<E>().map(EventPayload::__clone);
            (Decoded::rewritten(part.into_iter().collect()), number, true)
        }
    };
    Ok(events.into_iter().zip(first..).map(move |(event, number)| {
        let is_other = is_part || number > 0;
        (event, is_other.then_some((E::NAME, number)))
    }))
}

/// Returns the public form of an event; a known payload is copied.
pub(super) fn public<P: Publish>(
    event: &P,
    payload: Option<&[u8]>,
    part: Option<Part>,
) -> Result<Public, RouteError> {
    let encoded = match payload {
        Some(payload) => Encoded::json(P::NAME, P::VERSION, payload.to_vec()),
        None => Encoded::of(event).map_err(|error| RouteError::Other(error.into()))?,
    };
    Ok(Public {
        key: event.key().map(Cow::into_owned),
        encoded,
        part,
    })
}
