//! Called by the derives of messages, inboxes and process managers. Not public API.
#![allow(missing_docs, missing_debug_implementations)]

use crate::__private::{Maybe, One, Reader, str_eq};
use crate::bus::{Message, MessageError, Purpose, Topic};
use crate::command::RemoteCommand;
use crate::command::payload;
use crate::consumer::HandlerError;
use crate::event::codec::DecodeReason;
use crate::event::reading::{reads, with_sources};
use crate::event::{EncodedRef, Event, EventDescriptor};
use crate::inbox::{InboxError, MessageContext};
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Formatter};

/// The value of a field that is the key of a message. `Kind` is as for a tag.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be the key of a message",
    label = "a key is written as text, but this type does not implement `Display`",
    note = "a key implements `std::fmt::Display`, or is an `Option` of such a value: implement it, or choose another field"
)]
pub trait KeyValue<Kind> {
    fn key(&self) -> Option<Cow<'_, str>>;
}

#[diagnostic::do_not_recommend]
impl<T: Display> KeyValue<One> for T {
    fn key(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(self.to_string()))
    }
}

#[diagnostic::do_not_recommend]
impl<Kind, T: KeyValue<Kind>> KeyValue<Maybe<Kind>> for Option<T> {
    fn key(&self) -> Option<Cow<'_, str>> {
        self.as_ref().and_then(T::key)
    }
}

/// A command, as generated code sees it: what [`OneEvent`](crate::__private::OneEvent) is for an event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command that can be sent",
    label = "this type does not implement `RemoteCommand`",
    note = "add `#[derive(RemoteCommand)]` and `#[remote_command(name = \"..\", service = \"..\")]` to `{Self}`"
)]
pub trait OneCommand: Sized {
    const NAME: &'static str;
    const VERSION: u32;
    const SERVICE: &'static str;
    type Reply;
    fn read<'de, D: Deserializer<'de>>(version: u32, deserializer: D) -> Result<Self, D::Error>;
    fn read_reply(reply: &EncodedRef<'_>) -> Result<Self::Reply, DecodeReason>;
}

#[diagnostic::do_not_recommend]
impl<Old: RemoteCommand> OneCommand for Old {
    const NAME: &'static str = Old::NAME;
    const VERSION: u32 = Old::VERSION;
    const SERVICE: &'static str = Old::SERVICE;
    type Reply = Old::Reply;

    fn read<'de, D: Deserializer<'de>>(version: u32, deserializer: D) -> Result<Self, D::Error> {
        Old::__deserialize_version(version, deserializer)
    }

    fn read_reply(reply: &EncodedRef<'_>) -> Result<Old::Reply, DecodeReason> {
        Old::__read_reply(reply)
    }
}

/// The reply to an older version of a command, seen from the next version.
#[diagnostic::on_unimplemented(
    message = "the reply `{Self}` to the previous version cannot be converted to `{New}`",
    label = "the reply to this version is `{Self}`",
    note = "write `impl From<{Self}> for {New} {{ fn from(old: {Self}) -> Self {{ .. }} }}`: replies to earlier commands may still arrive"
)]
pub trait OlderReply<New> {
    fn upcast(self) -> New;
}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> OlderReply<New> for Old {
    fn upcast(self) -> New {
        New::from(self)
    }
}

/// The requirements of a command. No supertraits, so that anything missing is reported as one error.
#[diagnostic::on_unimplemented(
    message = "command `{Self}` cannot be written and read back",
    label = "a command needs `Debug`, `Clone`, `Serialize` and `Deserialize`",
    note = "write `#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, RemoteCommand)]`"
)]
pub trait CommandPayload: Sized {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Debug + Clone> CommandPayload for T {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer)
    }

    fn show(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.fmt(f)
    }
}

#[diagnostic::on_unimplemented(
    message = "`{Self}` has the same name as an earlier entry of `{P}`",
    label = "the `name = \"..\"` of `{Self}` is taken",
    note = "give `{Self}` another name, or remove one of the two entries"
)]
pub trait NamedOnce<P, const OK: bool> {
    const HOLDS: () = ();
}
impl<T, P> NamedOnce<P, true> for T {}

#[diagnostic::on_unimplemented(
    message = "command `{Self}` is for another service than inbox `{I}`",
    label = "the `service = \"..\"` of `{Self}` is not the name of this inbox",
    note = "write the `name` in the `#[inbox(..)]` of `{I}` as the `service` in the `#[remote_command(..)]` of `{Self}`, or list the command in the inbox of that service"
)]
pub trait CommandFor<I, const OK: bool> {
    const HOLDS: () = ();
}
impl<C, I> CommandFor<I, true> for C {}

/// A stand-in for the commands that a process manager does not list.
pub struct NoCommand;

/// A second one of another type.
pub struct NoOtherCommand;

/// A stand-in for the deadlines that a process manager does not list.
pub struct NoDeadline;

/// A second one of another type.
pub struct NoOtherDeadline;

/// Returns for every text whether it differs from all earlier ones.
pub const fn distinct_texts<const N: usize>(texts: &[&str; N]) -> [bool; N] {
    let mut ok = [true; N];
    let mut i = 0;
    while i < N {
        let mut j = 0;
        while j < i {
            if str_eq(texts[i], texts[j]) {
                ok[i] = false;
            }
            j += 1;
        }
        i += 1;
    }
    ok
}

/// Returns the topics that an inbox subscribes to.
#[must_use]
pub fn topics(
    service: &str,
    events: &[&[&'static EventDescriptor]],
    commands: &[&str],
) -> Vec<Topic> {
    let events = with_sources(&events.concat()).into_iter();
    let events = events.map(|event| Topic::event(event.name));
    let commands = commands.iter().map(|name| Topic::command(service, name));
    events.chain(commands).collect()
}

/// Returns a reader of the events in a message; `None` when the message has none of these.
///
/// # Errors
/// [`MessageError`], when the message cannot be read.
pub fn read_message<'m>(
    message: &'m Message,
    events: &[&'static EventDescriptor],
) -> Result<Option<Reader<'m>>, MessageError> {
    if message.purpose != Purpose::Event || !reads(events, &message.name) {
        return Ok(None);
    }
    let reader = Reader::new(events, message.encoded(), message);
    reader
        .map(Some)
        .map_err(|reason| message.unreadable(reason))
}

#[must_use]
pub fn unreadable_message(message: &Message, reason: DecodeReason) -> InboxError {
    message.unreadable(reason).into()
}

/// Returns whether the message is the command of this name.
#[must_use]
pub fn is_command(message: &Message, name: &str) -> bool {
    matches!(message.purpose, Purpose::Command { .. }) && message.name == name
}

pub fn read_command<C: RemoteCommand>(message: &Message) -> Result<C, MessageError> {
    payload::command_in(message)
}

/// Returns the reply for the result of a command's handler.
pub fn answer<R: Event>(
    handled: Result<R, HandlerError>,
    context: &mut MessageContext<'_>,
) -> Result<(), InboxError> {
    let reply = handled.map_err(InboxError::Handler)?;
    let written = context.__reply(&reply);
    written.map_err(|error| InboxError::Handler(error.into()))
}

/// Reads the reply to a command. A reply of another name was not meant for it.
pub fn read_reply<C: RemoteCommand>(reply: &EncodedRef<'_>) -> Result<C::Reply, DecodeReason> {
    C::__read_reply(reply)
}
