//! The inputs of a process manager, as its stream records them, and the state that they add up to.

use super::cause::{Cause, RecordedCause};
use super::reactions::Identity;
use super::{ProcessInput, ProcessManager, Reactions};
use crate::command::{CommandSent, Refused, raw};
use crate::consumer::HandlerError;
use crate::event::codec::{Codec, DecodeError, DecodeReason, JsonError};
use crate::event::metadata::{EventId, Metadata};
use crate::event::record::RecordedEventRef;
use crate::event::{EncodedRef, Event};
use crate::place::Version;
use crate::store::{DynStore, ReadStream, Store as _};
use crate::stream_name::StreamName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A process manager has reacted.
#[derive(Debug, Clone, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.process_reacted", crate = crate)]
pub(crate) struct ProcessReacted {
    pub(crate) to: Kind,
    /// The name, version and payload of the event, the reply or the deadline.
    pub(crate) name: String,
    #[serde(rename = "version")]
    pub(crate) schema_version: u32,
    #[serde(rename = "data")]
    pub(crate) payload: Box<RawValue>,
    /// The id of the command that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// The deadlines that were set, by name, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) deadlines: BTreeMap<String, u64>,
    /// The deadlines that are no longer set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cancelled: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_complete: bool,
    /// Facts besides the payload. The first releases did not record them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<RecordedCause>,
}

impl ProcessReacted {
    /// Records an input, of which nothing has followed yet.
    pub(crate) fn to(kind: Kind, encoded: &EncodedRef<'_>) -> Result<Self, JsonError> {
        Ok(ProcessReacted {
            to: kind,
            name: encoded.name.to_owned(),
            schema_version: encoded.schema_version,
            payload: raw(encoded.payload)?,
            command: None,
            deadlines: BTreeMap::new(),
            cancelled: Vec::new(),
            is_complete: false,
            cause: None,
        })
    }

    /// Returns the event, the reply or the deadline.
    fn encoded(&self) -> EncodedRef<'_> {
        EncodedRef {
            name: &self.name,
            schema_version: self.schema_version,
            codec: Codec::JSON,
            payload: self.payload.get().as_bytes(),
        }
    }

    /// Returns the earlier deadlines that are no longer set, or that were replaced.
    pub(crate) fn no_longer<'a>(
        &'a self,
        before: &'a BTreeMap<String, u64>,
    ) -> impl Iterator<Item = &'a String> {
        let is_over = |name: &&String| {
            let has_passed = self.to == Kind::Deadline && self.name == **name;
            has_passed || self.cancelled.contains(name) || self.deadlines.contains_key(*name)
        };
        before.keys().filter(is_over)
    }
}

/// The kind of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Event,
    Reply,
    Refusal,
    Deadline,
}

/// A process as its stream defines it.
pub(crate) struct Instance<P: ProcessManager> {
    pub(crate) of: Arc<Identity<P>>,
    pub(crate) state: P,
    pub(crate) version: Version,
    /// The commands that are not answered yet, by their ids.
    pub(crate) waiting: BTreeMap<String, CommandSent>,
    /// The deadlines that are set, by name.
    pub(crate) deadlines: BTreeMap<String, u64>,
    pub(crate) is_complete: bool,
    /// When it began, in microseconds since 1970; `None` before its first event.
    pub(crate) since: Option<u64>,
}

impl<P: ProcessManager> Instance<P> {
    /// Creates a process before its first event.
    pub(crate) fn new(of: Arc<Identity<P>>) -> Self {
        Instance {
            of,
            state: P::initial(),
            version: Version::ZERO,
            waiting: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            is_complete: false,
            since: None,
        }
    }

    /// Rebuilds a process from its stream.
    pub(crate) async fn load(
        store: &DynStore,
        stream: &StreamName,
        of: Arc<Identity<P>>,
    ) -> Result<Self, HandlerError> {
        let mut instance = Instance::new(of);
        let mut failed = None;
        let read = ReadStream::forward(stream.clone());
        let state = store
            .read_stream(&read, &mut |event| match instance.replay(&event) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            })
            .await?;
        let lacks_events = state.first > Version::FIRST || instance.version < state.last;
        match failed {
            Some(error) => Err(error),
            None if lacks_events => Err(format!(
                "stream \"{stream}\" lacks some of its events up to version {}: a process cannot be rebuilt when its events were removed",
                state.last
            )
            .into()),
            None => Ok(instance),
        }
    }

    fn replay(&mut self, event: &RecordedEventRef<'_>) -> Result<(), HandlerError> {
        self.version = event.version;
        self.since.get_or_insert(event.time.as_micros());
        match event.name {
            CommandSent::NAME => self.sent(event.id, event.decode()?),
            ProcessReacted::NAME => {
                let mut reacted: ProcessReacted = event.decode()?;
                let cause = match reacted.cause.take() {
                    Some(recorded) => recorded.into(),
                    None => Cause::at(event.time, Metadata::of(event.correlation_id, None)),
                };
                self.react(&reacted, cause, true)
                    .map(drop)
                    .map_err(|reason| DecodeError::new(event, reason))?;
                self.settle(&reacted);
            }
            name => {
                return Err(format!(
                    "stream \"{}\" has event \"{name}\", which no process writes: it is the stream of something else, such as an aggregate of the same name; give the process manager \"{}\" another name",
                    event.stream,
                    P::NAME
                )
                .into());
            }
        }
        Ok(())
    }

    /// Applies an input to the state; returns `None` when it is the answer to a command that the process does not wait for
    /// (any more), or a deadline that is not set (any more).
    pub(crate) fn react(
        &mut self,
        reacted: &ProcessReacted,
        cause: Cause,
        is_replay: bool,
    ) -> Result<Option<Reactions<P>>, DecodeReason> {
        let command = match &reacted.command {
            None => None,
            Some(id) => match self.waiting.get(id) {
                Some(command) => Some(command),
                None => return Ok(None),
            },
        };
        if reacted.to == Kind::Deadline && !self.deadlines.contains_key(&reacted.name) {
            return Ok(None);
        }
        let of_command = command.map(CommandSent::encoded);
        let encoded = reacted.encoded();
        let refused: Refused;
        let input = match (reacted.to, of_command) {
            (Kind::Reply, Some(command)) => ProcessInput::Reply {
                command,
                reply: encoded,
            },
            (Kind::Refusal, Some(command)) => {
                refused = encoded.read()?;
                ProcessInput::Refusal {
                    command,
                    reason: &refused.reason,
                }
            }
            (Kind::Deadline, _) => ProcessInput::Deadline(encoded),
            _ => ProcessInput::Event(encoded),
        };
        let mut reactions = Reactions::new(self.of.clone(), cause, is_replay);
        self.state.react_to(&input, &mut reactions)?;
        Ok(Some(reactions))
    }

    /// Returns whether a deadline is set, other than the one that has just passed.
    pub(crate) fn waits_for(&self, name: &str, reacted: &ProcessReacted) -> bool {
        let has_passed = reacted.to == Kind::Deadline && reacted.name == name;
        !has_passed && self.deadlines.contains_key(name)
    }

    /// Removes what the process no longer waits for, and sets its deadlines.
    pub(crate) fn settle(&mut self, reacted: &ProcessReacted) {
        if let Some(command) = &reacted.command {
            self.waiting.remove(command);
        }
        if reacted.to == Kind::Deadline {
            self.deadlines.remove(&reacted.name);
        }
        for name in &reacted.cancelled {
            self.deadlines.remove(name);
        }
        let set = reacted.deadlines.iter();
        self.deadlines
            .extend(set.map(|(name, at)| (name.clone(), *at)));
        self.is_complete |= reacted.is_complete;
    }

    /// Adds a command that the process has sent.
    pub(crate) fn sent(&mut self, id: EventId, command: CommandSent) {
        self.waiting.insert(id.to_string(), command);
    }
}
