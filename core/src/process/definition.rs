//! Process managers: long-running processes over several aggregates and services.

use super::reactions::Reactions;
use crate::aggregate::AggregateId;
use crate::command::RemoteCommand;
use crate::event::codec::{DecodeError, DecodeReason};
use crate::event::record::RecordedEventRef;
use crate::event::{Encoded, EncodedRef, EventDescriptor};

/// A long-running process over several aggregates or services: it reacts to events, sends commands, waits for the answers,
/// sets deadlines, and compensates for what has failed.
///
/// Implement it with the derive of the same name. Each event that it lists needs a [`React`], each command that it sends a
/// [`Resolve`], and each deadline an [`Expire`]; a forgotten one does not compile: so every process defines what happens
/// when a command is refused.
///
/// Its state is event-sourced like that of an aggregate: everything that it has reacted to is recorded in a stream of its
/// own, `{name}-{id}`, and the state is rebuilt by reacting again. So the state may depend only on what the process reacted
/// to, and on what [`Reactions`] returns about it: not on the current time, on chance, or on the configuration, which
/// decides what follows. `Default` is the state before the first event.
///
/// Values that the program reads from its settings, such as fees or limits, are the configuration of the process manager:
/// [`Processes::with_config`](super::Processes::with_config).
///
/// The reaction, the commands that it sends, and the deadlines that it sets are committed in one step. Commands leave the
/// log through the [outbox](crate::Outbox), and have their effect once, as the [inbox](crate::Inbox) that handles them
/// recognises duplicates. A process survives a kill at any moment.
///
/// # The order of events
///
/// Events arrive in the order of the log, answers and deadlines at any time: before or after an event that was appended at
/// the same time. So the state must decide what follows from a late answer, such as one for a cancelled order. Each
/// answer reaches the process once; an answer that it does not wait for is discarded.
///
/// Conflicts with other decisions on the same aggregates are not failures: the process reacts again and sees those
/// decisions. A reaction that fails is retried, and its event is then parked, with the later events of its process; answers
/// and deadlines still reach it. A deadline whose reaction fails is retried until the reaction succeeds.
/// [`MidgardHandle::stuck_processes`](crate::MidgardHandle::stuck_processes) lists the processes that need attention.
///
/// # In the next release
///
/// An open process is rebuilt by the code of the release that runs. It is safe to
/// - change what follows from now on: commands already sent and deadlines already set are not repeated;
/// - change the state, and how reactions build it: the new code reacts to everything again;
/// - react to more events, send other commands, set other deadlines;
/// - change payloads with `upcast_from`, as everywhere.
///
/// Old and new releases may run at once: one that reacts to fewer events, or reads fewer versions of one, stands by, as its
/// [status](crate::consumer::Status) shows, and stops before an event whose process it cannot determine.
///
/// It is not safe to remove an event, a command or a deadline from the lists, to change its name, or to change which
/// process an event belongs to, while there are open processes that have reacted to it: they could not be rebuilt, and are
/// parked until it is back. Keep it, with a reaction that does nothing more. To restart all processes from the beginning,
/// give the process manager another name.
///
/// [`testing::given_process`](crate::testing::given_process) tests a process manager without a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process manager",
    label = "this type does not implement `ProcessManager`",
    note = "add `#[derive(Default, ProcessManager)]` and `#[process_manager(name = \"..\", id = .., events(..))]` to `{Self}`"
)]
// No `Default` supertrait: rustc would then report its absence at every impl.
pub trait ProcessManager: Send + Sync + Sized + 'static {
    /// The first part of the names of its streams, and the name of its checkpoint and of the queue of the replies. No other
    /// service on the bus may have a queue of this name.
    const NAME: &'static str;
    /// The id that identifies a process.
    type Id: AggregateId;
    /// The configuration that the program passes at the start: `config = ..` of the derive, `()` without it.
    type Config: Send + Sync + 'static;
    /// The events that it reacts to.
    const EVENTS: &'static [&'static EventDescriptor];
    /// Whether it sends commands to other services, and so waits for replies.
    const SENDS: bool;

    /// Returns the state before the first event: its `Default`.
    fn initial() -> Self;

    /// Returns which processes an event of the log belongs to, in the order in which they react: nearly always one.
    ///
    /// # Errors
    /// When the event cannot be read.
    fn processes_of(event: &RecordedEventRef<'_>) -> Result<Vec<Concerned<Self::Id>>, DecodeError>;

    /// Passes an input to its reaction.
    ///
    /// # Errors
    /// When the input cannot be read.
    fn react_to(
        &mut self,
        input: &ProcessInput<'_>,
        reactions: &mut Reactions<Self>,
    ) -> Result<(), DecodeReason>;
}

/// A process that an event of the log concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Concerned<I> {
    /// Its id.
    pub id: I,
    /// The event as upcasts have rewritten it; `None` when the process reacts to the recorded one.
    pub rewritten: Option<Encoded>,
}

impl<I> Concerned<I> {
    /// Creates a process that reacts to an event; `rewritten` is that event as upcasts have rewritten it.
    #[must_use]
    pub const fn new(id: I, rewritten: Option<Encoded>) -> Self {
        Concerned { id, rewritten }
    }
}

/// Reacts to one event of the log, or to any event of a set.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not react to event `{E}`",
    label = "`{E}` is listed here, but has no reaction",
    note = "write `impl React<{E}> for {Self} {{ fn process(event: &{E}, recorded: &RecordedEventRef<'_>) -> Option<Self::Id> {{ .. }} fn react(&mut self, event: {E}, reactions: &mut Reactions<Self>) {{ .. }} }}`"
)]
pub trait React<E>: ReactsTo<E> {
    /// Returns which process the event belongs to; `None` if it belongs to none.
    fn process(event: &E, recorded: &RecordedEventRef<'_>) -> Option<Self::Id>;

    /// Applies the event to the state, and decides what follows. It is called again whenever the state is rebuilt; what
    /// follows is then ignored.
    fn react(&mut self, event: E, reactions: &mut Reactions<Self>);
}

/// Reacts to the outcome of a command that was sent: its reply, or its refusal.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not handle the reply to command `{C}`, nor its refusal",
    label = "`{C}` is listed here, but its outcome is never handled",
    note = "write `impl Resolve<{C}> for {Self} {{ fn replied(&mut self, command: {C}, reply: <{C} as RemoteCommand>::Reply, reactions: &mut Reactions<Self>) {{ .. }} fn refused(&mut self, command: {C}, reason: &str, reactions: &mut Reactions<Self>) {{ .. }} }}`"
)]
pub trait Resolve<C: RemoteCommand>: Sends<C> {
    /// Reacts to the reply: the command is done.
    fn replied(&mut self, command: C, reply: C::Reply, reactions: &mut Reactions<Self>);

    /// Reacts to the refusal: compensates for earlier steps, or takes another way.
    fn refused(&mut self, command: C, reason: &str, reactions: &mut Reactions<Self>);
}

/// Reacts to a deadline that has passed without being cancelled.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` has no handler for deadline `{D}`",
    label = "`{D}` is listed here, but never handled",
    note = "write `impl Expire<{D}> for {Self} {{ fn expired(&mut self, deadline: {D}, reactions: &mut Reactions<Self>) {{ .. }} }}`"
)]
pub trait Expire<D>: Schedules<D> {
    /// Reacts to the deadline.
    fn expired(&mut self, deadline: D, reactions: &mut Reactions<Self>);
}

/// An event, or a set of them, that a process manager lists, and so reacts to. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not list the event `{E}`",
    label = "`{E}` is not in `events(..)` of `{Self}`: this handler would never be called",
    note = "add `{E}` to the list: `#[process_manager(.., events({E}))]` above `{Self}`"
)]
pub trait ReactsTo<E>: ProcessManager {}

/// A command that a process manager lists, and may send. The derive implements it, and requires a [`Resolve`].
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not list the command `{C}`",
    label = "`{C}` is not in `commands(..)` of `{Self}`",
    note = "add `{C}` to the list: `#[process_manager(.., commands({C}))]` above `{Self}`"
)]
pub trait Sends<C>: ProcessManager {}

/// A deadline that a process manager lists, and may set. The derive implements it, and requires an [`Expire`].
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not list the deadline `{D}`",
    label = "`{D}` is not in `deadlines(..)` of `{Self}`",
    note = "add `{D}` to the list: `#[process_manager(.., deadlines({D}))]` above `{Self}`"
)]
pub trait Schedules<D>: ProcessManager {}

/// The configuration of a process manager that declares none: `()`.
#[diagnostic::on_unimplemented(
    message = "the process manager needs a configuration of type `{Self}`",
    label = "no `{Self}` is passed here",
    note = "write `Processes::with_config(StartFrom::Start, {Self} {{ .. }})`, or `given_process_with({Self} {{ .. }})` in tests"
)]
pub trait Unconfigured: Sized {
    /// Returns the empty configuration.
    fn none() -> Self;
}

impl Unconfigured for () {
    fn none() -> Self {}
}

/// An input that a process manager reacts to, as it is recorded.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::exhaustive_enums)]
pub enum ProcessInput<'a> {
    /// An event of the log.
    Event(EncodedRef<'a>),
    /// The reply to a command.
    Reply {
        /// The command.
        command: EncodedRef<'a>,
        /// The reply.
        reply: EncodedRef<'a>,
    },
    /// The refusal of a command.
    Refusal {
        /// The command.
        command: EncodedRef<'a>,
        /// Why.
        reason: &'a str,
    },
    /// A deadline that has passed.
    Deadline(EncodedRef<'a>),
}
