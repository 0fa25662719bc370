//! `given_process().event(..).then(..)`: the reactions of a process manager, without a store.

// A test kit reports by panicking, at the line of the test.
#![allow(clippy::panic)]

mod lines;
mod past;
mod reacted;

use super::sound;
use crate::aggregate::IdText;
use crate::command::{Refused, RemoteCommand};
use crate::event::metadata::{EventId, Metadata};
use crate::event::record::{NewEvent, RecordedEvent};
use crate::event::{Encoded, Event};
use crate::place::{LogId, Position, Version};
use crate::process::{
    Cause, Expire, Identity, Instance, Kind, Outgoing, ProcessManager, ProcessReacted, Reactions,
    Resolve, Schedules, Step, Unconfigured, sent_by,
};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
pub(in crate::testing) use lines::difference;
use lines::lines;
use past::{Past, lines_made_anew, settle, steps_of};
pub use reacted::Reacted;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Begins a test of a process manager, with a process that has not reacted to anything.
///
/// After each input, [`then`](Reacted::then) states what follows, in the words of the reactions themselves. Commands and
/// deadlines are compared as they would be sent and stored, in order; local commands by their `Debug` texts. Each time, the
/// process also reacts to all earlier inputs again, as when it is rebuilt: this finds reactions that depend on anything
/// else, such as the time or chance.
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
///
/// A process manager that has a configuration is tested with [`given_process_with`].
pub fn given_process<P: ProcessManager>() -> GivenProcess<P>
where
    P::Config: Unconfigured,
{
    given_process_with(P::Config::none())
}

/// Does what [`given_process`] does, for a process manager that has a [configuration](crate::Processes::with_config).
pub fn given_process_with<P: ProcessManager>(config: P::Config) -> GivenProcess<P> {
    GivenProcess {
        config: Arc::new(config),
        time: Timestamp::now(),
        instance: None,
        deadlines: BTreeMap::new(),
        versions: BTreeMap::new(),
        history: Vec::new(),
    }
}

/// A process that waits for an input; created by [`given_process`].
pub struct GivenProcess<P: ProcessManager> {
    config: Arc<P::Config>,
    /// The time of the next input.
    time: Timestamp,
    /// `None` before the first event, which determines the process.
    instance: Option<Instance<P>>,
    /// The deadlines that are set, by name.
    deadlines: BTreeMap<String, (Timestamp, Outgoing)>,
    /// The number of events of each stream.
    versions: BTreeMap<String, u64>,
    history: Vec<Past>,
}

impl<P: ProcessManager> GivenProcess<P> {
    /// Sets the time of all later inputs: when events are recorded, answers sent, and deadlines fire. By default, this is the
    /// time at which the test began, and for a deadline the time when it is due.
    pub const fn at(mut self, time: Timestamp) -> Self {
        self.time = time;
        self
    }

    /// Passes in an event of the log. Its stream is called `test`.
    ///
    /// # Panics
    /// When it belongs to no process, or to another one than those before.
    #[track_caller]
    pub fn event<E: Event>(self, event: E) -> Reacted<P> {
        self.event_of("test", event)
    }

    /// Passes in an event of this stream.
    ///
    /// # Panics
    /// As [`event`](Self::event).
    #[track_caller]
    pub fn event_of<E: Event>(self, stream: &str, event: E) -> Reacted<P> {
        self.event_with(stream, event, Metadata::new())
    }

    /// Passes in an event of this stream, with metadata.
    ///
    /// # Panics
    /// As [`event`](Self::event).
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)] // `.event(OrderPlaced { order: 7 })` reads as it should.
    pub fn event_with<E: Event>(
        mut self,
        stream: &str,
        event: E,
        metadata: Metadata,
    ) -> Reacted<P> {
        let event = sound(NewEvent::encode(&event)).with_metadata(metadata);
        let recorded = self.recorded(stream, event);
        let processes = sound(P::processes_of(&recorded.view()));
        let Some(id) = processes
            .first()
            .map(|process| IdText(&process.id).to_string())
        else {
            panic!("event \"{}\" belongs to no process", E::NAME);
        };
        match &self.instance {
            None => {
                let of = sound(Identity::read(&id, &self.config));
                self.instance = Some(Instance::new(of));
            }
            Some(instance) => {
                let known = IdText(&instance.of.id).to_string();
                if known != id {
                    panic!(
                        "event \"{}\" belongs to process \"{id}\", and those before to process \"{known}\"",
                        E::NAME
                    );
                }
            }
        }
        let reacted = ProcessReacted::to(Kind::Event, &recorded.view().encoded());
        self.react(sound(reacted), Cause::event(&recorded.view()))
    }

    /// Returns the event as a store would have recorded it.
    #[track_caller]
    fn recorded(&mut self, stream: &str, event: NewEvent) -> RecordedEvent {
        let position: u64 = self.versions.values().sum();
        let version = self.versions.entry(stream.to_owned()).or_default();
        *version += 1;
        RecordedEvent {
            log: LogId::MAIN,
            position: Position(position + 1),
            stream: sound(StreamName::new(stream)),
            version: Version(*version),
            id: event.id,
            time: self.time,
            name: event.name.into_owned(),
            schema_version: event.schema_version,
            codec: event.codec,
            payload: event.payload,
            tags: event.tags,
            metadata: event.metadata,
        }
    }

    /// Passes in the reply to a command that the process has sent: the first unanswered one of this type.
    ///
    /// # Panics
    /// When the process waits for no answer to such a command.
    #[track_caller]
    #[allow(clippy::needless_pass_by_value)]
    pub fn replied<C: RemoteCommand>(self, reply: C::Reply) -> Reacted<P>
    where
        P: Resolve<C>,
    {
        let command = self.waiting::<C>();
        let reply = sound(Encoded::of(&reply));
        let reacted = sound(ProcessReacted::to(Kind::Reply, &reply.view()));
        self.answered(command, reacted)
    }

    /// Delivers a refusal to the process, for its first unanswered command of this type.
    ///
    /// # Panics
    /// When the process waits for no answer to such a command.
    #[track_caller]
    pub fn refused<C: RemoteCommand>(self, reason: &str) -> Reacted<P>
    where
        P: Resolve<C>,
    {
        let command = self.waiting::<C>();
        let refused = sound(Encoded::of(&Refused::new(reason)));
        let reacted = sound(ProcessReacted::to(Kind::Refusal, &refused.view()));
        self.answered(command, reacted)
    }

    #[track_caller]
    fn answered(self, command: String, mut reacted: ProcessReacted) -> Reacted<P> {
        reacted.command = Some(command);
        let cause = Cause::at(self.time, Metadata::new());
        self.react(reacted, cause)
    }

    /// Lets a deadline pass that the process has set. If it was not due yet, the [time](Self::at) moves on to when it is.
    ///
    /// # Panics
    /// When the deadline is not set, or was cancelled.
    #[track_caller]
    pub fn expired<D: Event>(mut self) -> Reacted<P>
    where
        P: Expire<D> + Schedules<D>,
    {
        let Some((due, deadline)) = self.deadlines.remove(D::NAME) else {
            let set: Vec<_> = self.deadlines.keys().collect();
            panic!(
                "deadline \"{}\" is not set; those that are set: {set:?}",
                D::NAME
            );
        };
        let reacted = ProcessReacted::to(Kind::Deadline, &deadline.encoded.view());
        self.time = self.time.max(due);
        let cause = Cause::at(self.time, Metadata::new());
        self.react(sound(reacted), cause)
    }

    /// Calls `check` with the state.
    ///
    /// # Panics
    /// Whenever `check` does.
    #[track_caller]
    pub fn then_state(self, check: impl FnOnce(&P)) -> Self {
        match &self.instance {
            Some(instance) => check(&instance.state),
            None => check(&P::initial()),
        }
        self
    }

    /// Returns the id of the first unanswered command of a type.
    #[track_caller]
    fn waiting<C: RemoteCommand>(&self) -> String {
        let waiting = self.instance.iter().flat_map(|known| &known.waiting);
        let mut of_type = waiting
            .clone()
            .filter(|(_, command)| command.name == C::NAME);
        let Some((id, _)) = of_type.next() else {
            let all: Vec<_> = waiting.map(|(_, command)| &*command.name).collect();
            panic!(
                "the process waits for no answer to command \"{}\"; it waits for those to {all:?}",
                C::NAME
            );
        };
        id.clone()
    }

    #[track_caller]
    fn react(mut self, mut reacted: ProcessReacted, cause: Cause) -> Reacted<P> {
        let Some(instance) = &mut self.instance else {
            panic!("the first input of a process must be an event");
        };
        let of = instance.of.clone();
        let steps = steps_of(instance, &reacted, &cause);
        let lines = lines(&steps);
        let again = lines_made_anew(&of, &self.history, &reacted, &cause);
        if lines != again {
            panic!(
                "something else follows when the process is rebuilt, as if it depended on the time or on chance: first (-), then (+){}",
                difference(&lines, &again)
            );
        }
        let mut sent = Vec::new();
        for step in steps {
            match step {
                Step::Execute(_) => {}
                Step::Send(command) => sent.push((EventId::new(), sound(sent_by::<P>(command)))),
                Step::Remind { deadline, due } => {
                    let due = due.time(cause.time, self.time);
                    let name = deadline.encoded.name.to_string();
                    reacted.deadlines.insert(name.clone(), due.as_micros());
                    self.deadlines.insert(name, (due, deadline));
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
        let past = Past {
            reacted,
            cause,
            sent,
        };
        settle(instance, &past);
        let expected = Reactions::new(of, past.cause.clone(), false);
        self.history.push(past);
        Reacted {
            given: self,
            lines,
            expected,
        }
    }
}

impl<P: ProcessManager> fmt::Debug for GivenProcess<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenProcess")
            .field("process_manager", &P::NAME)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}
