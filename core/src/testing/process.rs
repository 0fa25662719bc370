//! `given_process().event(..).then(..)`: what follows from what a process manager reacts to, without a store.

// A test kit reports by panicking, at the line of the test.
#![allow(clippy::panic)]

use super::given::difference::merge;
use crate::command::{CommandSent, Refused, RemoteCommand};
use crate::event::Event;
use crate::event::codec;
use crate::event::codec::ReadBack;
use crate::event::metadata::EventId;
use crate::event::record::{NewEvent, RecordedEvent};
use crate::place::{LogId, Position, Version};
use crate::process::{
    Expire, Instance, Kind, Outgoing, ProcessManager, ProcessReacted, Reactions, Resolve,
    Schedules, Step, sent_by,
};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Begins a test of a process manager, with a process to which nothing has happened.
///
/// Whatever comes to it, [`then`](Reacted::then) says what follows, in the words of the reactions themselves. Commands
/// and deadlines are compared as they would be sent and stored, in order; local commands by their `Debug` texts. All
/// that came before is reacted to once more each time, as when the process is made anew: reactions that depend on
/// anything else, such as the time or chance, are found.
///
/// ```
/// use midgard::testing::given_process;
/// use midgard::{Done, Event, Expire, ProcessManager, React, Reactions, RemoteCommand, Resolve};
/// use midgard::event::RecordedEventRef;
/// use serde::{Deserialize, Serialize};
/// use std::time::Duration;
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "order.placed")]
/// struct OrderPlaced { order: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "parcel.pack", service = "warehouse")]
/// struct Pack { order: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "packing.late")]
/// struct PackingLate {}
///
/// #[derive(Default, ProcessManager)]
/// #[process_manager(name = "packing", id = u64, events(OrderPlaced), commands(Pack), deadlines(PackingLate))]
/// struct Packing { order: u64, reminders: u32 }
///
/// impl React<OrderPlaced> for Packing {
///     fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> { Some(event.order) }
///
///     fn react(&mut self, event: OrderPlaced, reactions: &mut Reactions<Self>) {
///         self.order = event.order;
///         reactions.send(&Pack { order: event.order });
///         reactions.remind(Duration::from_secs(3600), &PackingLate {});
///     }
/// }
///
/// impl Expire<PackingLate> for Packing {
///     fn expired(&mut self, _: PackingLate, reactions: &mut Reactions<Self>) {
///         self.reminders += 1;
///         reactions.send(&Pack { order: self.order });
///     }
/// }
///
/// impl Resolve<Pack> for Packing {
///     fn replied(&mut self, _: Pack, _: Done, reactions: &mut Reactions<Self>) { reactions.complete(); }
///     fn refused(&mut self, _: Pack, _: &str, _: &mut Reactions<Self>) {}
/// }
///
/// given_process::<Packing>()
///     .event(OrderPlaced { order: 7 })
///     .then(|expected| {
///         expected.send(&Pack { order: 7 });
///         expected.remind(Duration::from_secs(3600), &PackingLate {});
///     })
///     .expired::<PackingLate>()
///     .then(|expected| expected.send(&Pack { order: 7 }))
///     .refused::<Pack>("no box is large enough")
///     .then_nothing()
///     .replied::<Pack>(Done {})
///     .then(|expected| expected.complete())
///     .then_state(|packing| assert_eq!(packing.reminders, 1));
/// ```
pub fn given_process<P: ProcessManager>() -> GivenProcess<P> {
    GivenProcess {
        id: None,
        instance: Instance::new(),
        deadlines: BTreeMap::new(),
        history: Vec::new(),
    }
}

/// A process to which something may come; made by [`given_process`].
pub struct GivenProcess<P> {
    id: Option<String>,
    instance: Instance<P>,
    /// The deadlines that are set, by name.
    deadlines: BTreeMap<&'static str, Outgoing>,
    history: Vec<Past>,
}

/// Something that came, and the commands that were sent then.
struct Past {
    reacted: ProcessReacted,
    sent: Vec<(EventId, CommandSent)>,
}

impl<P: ProcessManager> GivenProcess<P> {
    /// An event of the log comes. Its stream is called `test`.
    ///
    /// # Panics
    /// When it belongs to no process, or to another one than those before.
    #[track_caller]
    pub fn event<E: Event>(self, event: E) -> Reacted<P> {
        self.event_of("test", event)
    }

    /// An event of this stream comes.
    ///
    /// # Panics
    /// As [`event`](Self::event).
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // `.event(OrderPlaced { order: 7 })` reads as it should.
    pub fn event_of<E: Event>(mut self, stream: &str, event: E) -> Reacted<P> {
        let recorded = recorded(stream, sound(NewEvent::encode(&event)));
        let id = sound(P::process_of(&recorded.view()));
        let Some(id) = id.map(|id| id.to_string()) else {
            panic!("event \"{}\" belongs to no process", E::NAME);
        };
        let known = self.id.get_or_insert_with(|| id.clone());
        if *known != id {
            panic!(
                "event \"{}\" belongs to process \"{id}\", and those before to process \"{known}\"",
                E::NAME
            );
        }
        let reacted = ProcessReacted::to(Kind::Event, E::NAME, E::VERSION, &recorded.payload);
        self.react(sound(reacted))
    }

    /// The reply to a command that it has sent comes: to the first of this type that is not answered yet.
    ///
    /// # Panics
    /// When it waits for no answer to such a command.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn replied<C: RemoteCommand>(self, reply: C::Reply) -> Reacted<P>
    where
        P: Resolve<C>,
    {
        let command = self.waiting::<C>();
        let data = sound(codec::encode(&reply, ReadBack::Yes));
        let (name, version) = (C::Reply::NAME, C::Reply::VERSION);
        let reacted = sound(ProcessReacted::to(Kind::Reply, name, version, &data));
        self.react(ProcessReacted {
            command: Some(command),
            ..reacted
        })
    }

    /// A command that it has sent is refused: the first of this type that is not answered yet.
    ///
    /// # Panics
    /// When it waits for no answer to such a command.
    #[track_caller]
    pub fn refused<C: RemoteCommand>(self, reason: &str) -> Reacted<P>
    where
        P: Resolve<C>,
    {
        let command = self.waiting::<C>();
        let data = sound(codec::encode(&Refused::new(reason), ReadBack::Yes));
        let (name, version) = (Refused::NAME, Refused::VERSION);
        let reacted = sound(ProcessReacted::to(Kind::Refusal, name, version, &data));
        self.react(ProcessReacted {
            command: Some(command),
            ..reacted
        })
    }

    /// A deadline that it has set passes.
    ///
    /// # Panics
    /// When it is not set, or was cancelled.
    #[track_caller]
    pub fn expired<D: Event>(mut self) -> Reacted<P>
    where
        P: Expire<D> + Schedules<D>,
    {
        let Some(deadline) = self.deadlines.remove(D::NAME) else {
            let set: Vec<_> = self.deadlines.keys().collect();
            panic!("deadline \"{}\" is not set; set are {set:?}", D::NAME);
        };
        let (version, data) = (deadline.schema_version, &deadline.data);
        let reacted = ProcessReacted::to(Kind::Deadline, D::NAME, version, data);
        self.react(sound(reacted))
    }

    /// `check` sees the state.
    ///
    /// # Panics
    /// Whenever `check` does.
    #[track_caller]
    pub fn then_state(self, check: impl FnOnce(&P)) -> Self {
        check(&self.instance.state);
        self
    }

    /// The id of the first command of a type that is not answered.
    #[track_caller]
    fn waiting<C: RemoteCommand>(&self) -> String {
        let mut waiting = self.instance.waiting.iter();
        let Some((id, _)) = waiting.find(|(_, command)| command.name == C::NAME) else {
            let all = self.instance.waiting.values();
            let all: Vec<_> = all.map(|command| &*command.name).collect();
            panic!(
                "no answer to command \"{}\" is waited for; waited for are those to {all:?}",
                C::NAME
            );
        };
        id.clone()
    }

    #[track_caller]
    fn react(mut self, mut reacted: ProcessReacted) -> Reacted<P> {
        let steps = steps_of(&mut self.instance, &reacted);
        let lines = lines(&steps);
        let again = lines_made_anew::<P>(&self.history, &reacted);
        if lines != again {
            panic!(
                "something else follows when the process is made anew, as if it depended on the time or on chance: first (-), then (+){}",
                difference(&lines, &again)
            );
        }
        let mut sent = Vec::new();
        for step in steps {
            match step {
                Step::Execute(_) => {}
                Step::Send(command) => sent.push((EventId::new(), sound(sent_by::<P>(command)))),
                Step::Remind { deadline, .. } => {
                    // The time is of no matter here.
                    reacted.deadlines.insert(deadline.name.to_owned(), 0);
                    self.deadlines.insert(deadline.name, deadline);
                }
                Step::Cancel(name) => {
                    reacted.cancelled.push(name.to_owned());
                    reacted.deadlines.remove(name);
                    self.deadlines.remove(name);
                }
                Step::Complete => {
                    let set = self.deadlines.keys().map(|name| (*name).to_owned());
                    reacted.cancelled.extend(set);
                    reacted.deadlines.clear();
                    reacted.is_complete = true;
                    self.deadlines.clear();
                }
            }
        }
        let past = Past { reacted, sent };
        settle(&mut self.instance, &past);
        self.history.push(past);
        Reacted { given: self, lines }
    }
}

impl<P: ProcessManager> fmt::Debug for GivenProcess<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenProcess")
            .field("process_manager", &P::NAME)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What followed from something that came; made by [`GivenProcess::event`] and the like.
#[must_use = "nothing is tested before `then`"]
pub struct Reacted<P> {
    given: GivenProcess<P>,
    lines: Vec<String>,
}

impl<P: ProcessManager> Reacted<P> {
    /// Exactly this follows, in this order: `expected` is told as reactions are.
    ///
    /// # Panics
    /// With the difference, line by line, when something else follows.
    #[track_caller]
    pub fn then(self, expected: impl FnOnce(&mut Reactions<P>)) -> GivenProcess<P> {
        let mut reactions = Reactions::new(false);
        expected(&mut reactions);
        let expected = lines(&sound(reactions.into_steps()));
        if expected != self.lines {
            panic!(
                "something else follows: expected (-), found (+){}",
                difference(&expected, &self.lines)
            );
        }
        self.given
    }

    /// Nothing follows.
    ///
    /// # Panics
    /// When something does.
    #[track_caller]
    pub fn then_nothing(self) -> GivenProcess<P> {
        self.then(|_| {})
    }
}

impl<P: ProcessManager> fmt::Debug for Reacted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reacted")
            .field("given", &self.given)
            .field("follows", &self.lines)
            .finish()
    }
}

#[track_caller]
fn sound<T, E: fmt::Display>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| panic!("{error}"))
}

fn recorded(stream: &str, event: NewEvent) -> RecordedEvent {
    RecordedEvent {
        log: LogId::MAIN,
        position: Position(1),
        stream: sound(StreamName::new(stream)),
        version: Version::FIRST,
        id: event.id,
        time: Timestamp::now(),
        name: event.name.into_owned(),
        schema_version: event.schema_version,
        codec: event.codec,
        payload: event.payload,
        tags: event.tags,
        metadata: event.metadata,
    }
}

#[track_caller]
fn steps_of<P: ProcessManager>(instance: &mut Instance<P>, reacted: &ProcessReacted) -> Vec<Step> {
    let reactions = sound(instance.react(reacted, false));
    reactions.map_or_else(Vec::new, |reactions| sound(reactions.into_steps()))
}

fn settle<P: ProcessManager>(instance: &mut Instance<P>, past: &Past) {
    instance.settle(&past.reacted);
    for (id, command) in &past.sent {
        instance.sent(*id, command.clone());
    }
}

/// What follows when all that came before is reacted to once more.
#[track_caller]
fn lines_made_anew<P: ProcessManager>(history: &[Past], reacted: &ProcessReacted) -> Vec<String> {
    let mut instance = Instance::<P>::new();
    for past in history {
        steps_of(&mut instance, &past.reacted);
        settle(&mut instance, past);
    }
    lines(&steps_of(&mut instance, reacted))
}

fn lines(steps: &[Step]) -> Vec<String> {
    let texts = steps.iter().map(|step| match step {
        Step::Execute(command) => command.text(),
        Step::Send(command) => {
            let key = command.key.as_ref();
            let key = key.map_or_else(String::new, |key| format!(" under key \"{key}\""));
            let (name, service) = (command.name, command.service);
            format!("send {name} to {service}{key}: {}", json(&command.data))
        }
        Step::Remind { deadline, after } => {
            let data = json(&deadline.data);
            format!("remind in {after:?} of {}: {data}", deadline.name)
        }
        Step::Cancel(name) => format!("cancel {name}"),
        Step::Complete => "complete".to_owned(),
    });
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn json(data: &[u8]) -> String {
    let value: Value = sound(serde_json::from_slice(data));
    format!("{value:#}")
}

fn difference(expected: &[String], found: &[String]) -> String {
    let lines = merge(expected, found).into_iter();
    lines
        .map(|(mark, line)| format!("\n{mark} {line}"))
        .collect()
}
