//! What the derives of messages, inboxes and process managers call. Not public API.
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

/// The field whose value is the key of a message. `Kind` is as of a tag.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot be the key of a message",
    label = "a key is text, but this type has no `Display`",
    note = "a key is a value that implements `std::fmt::Display`, or an `Option` of one"
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

/// A command, seen from generated code, as [`OneEvent`](crate::__private::OneEvent) is an event.
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

/// What a version of a command was answered with, seen from the next one.
#[diagnostic::on_unimplemented(
    message = "the version before this command is answered with `{Self}`, of which no `{New}` can be made",
    label = "its reply is `{Self}`",
    note = "write `impl From<{Self}> for {New} {{ fn from(old: {Self}) -> Self {{ .. }} }}`: answers to what was sent before still come"
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

/// What a struct must be able to do before it can be a command. Nothing is above it, so that whatever it lacks is one
/// error.
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
    message = "`{Self}` has the name of an earlier entry of `{P}`",
    label = "its `name = \"..\"` is taken"
)]
pub trait NamedOnce<P, const OK: bool> {
    const HOLDS: () = ();
}
impl<T, P> NamedOnce<P, true> for T {}

#[diagnostic::on_unimplemented(
    message = "command `{Self}` is for another service than inbox `{I}`",
    label = "its `service = \"..\"` is not the name of this inbox",
    note = "write the `name` in the `#[inbox(..)]` of `{I}` as the `service` in the `#[remote_command(..)]` of `{Self}`, or list the command in the inbox of that service"
)]
pub trait CommandFor<I, const OK: bool> {
    const HOLDS: () = ();
}
impl<C, I> CommandFor<I, true> for C {}

/// What stands beside the commands that a process manager lists.
pub struct NoCommand;

/// Another of these.
pub struct NoOtherCommand;

/// What stands beside its deadlines.
pub struct NoDeadline;

/// Another of these.
pub struct NoOtherDeadline;

/// For every text, whether it is unlike all earlier ones.
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

/// What an inbox asks for.
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

/// A reader of the events in a message; `None` where none of these is in it.
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

/// Whether it is the command of this name.
#[must_use]
pub fn is_command(message: &Message, name: &str) -> bool {
    matches!(message.purpose, Purpose::Command { .. }) && message.name == name
}

pub fn read_command<C: RemoteCommand>(message: &Message) -> Result<C, MessageError> {
    payload::command_in(message)
}

/// Answers with what the handler of a command has returned.
pub fn answer<R: Event>(
    handled: Result<R, HandlerError>,
    context: &mut MessageContext<'_>,
) -> Result<(), InboxError> {
    let reply = handled.map_err(InboxError::Handler)?;
    let written = context.__reply(&reply);
    written.map_err(|error| InboxError::Handler(error.into()))
}

/// Reads the reply to a command. One of another name was not meant for it.
pub fn read_reply<C: RemoteCommand>(reply: &EncodedRef<'_>) -> Result<C::Reply, DecodeReason> {
    C::__read_reply(reply)
}
