//! Process managers: what follows over several aggregates and services, and in time.

use super::reactions::Reactions;
use crate::command::RemoteCommand;
use crate::event::codec::{DecodeError, DecodeReason};
use crate::event::record::RecordedEventRef;
use crate::event::{Encoded, EncodedRef, EventDescriptor};
use std::fmt::Display;
use std::str::FromStr;

/// Something that goes on over several aggregates or services: it reacts to events, sends commands, waits for the
/// answers, remembers deadlines, and makes good what has failed.
///
/// Implement it with the derive of the same name. Each event that it lists needs a [`React`], each command that it
/// sends a [`Resolve`], and each deadline an [`Expire`]; a forgotten one does not compile: so nobody forgets
/// what is to happen when a command is refused.
///
/// Its state is event-sourced like that of an aggregate: what it has reacted to is recorded in a stream of its
/// own, `{name}-{id}`, and the state is made anew by reacting again. So the state depends on
/// what was reacted to, and on what [`Reactions`] has of it, and on nothing else: not on the time now, on chance, or on the
/// configuration, which decides what follows. `Default` is the state before the first event.
///
/// What the program has read from its settings, fees or limits say, is the configuration of the process manager:
/// [`Processes::with_config`](super::Processes::with_config).
///
/// That it has reacted, what it sends, and the deadlines that it sets are committed in one step. Commands leave the log by the
/// [outbox](crate::Outbox), and have their effect once, as the [inbox](crate::Inbox) that handles them knows them again.
/// It survives a kill at any moment.
///
/// # What comes when
///
/// Events come in the order of the log, answers and deadlines when they come: before or after an event that was appended
/// at the same time. So a process says what follows from an answer that comes late, from a cancelled order say, by what its
/// state tells it. Each answer reaches it once; one that it does not wait for is passed over.
///
/// Conflicts with others who decide on the same aggregates are no failures: what they have decided is seen when it
/// reacts again. A reaction that fails is tried again and then parked, with the later events of its process; answers and
/// deadlines still reach it. A deadline whose reaction fails is tried again until it does not.
/// [`MidgardHandle::stuck_processes`](crate::MidgardHandle::stuck_processes) lists what needs someone to look at it.
///
/// # In the next release
///
/// A process that goes on is made anew by the code of the release that runs. It is safe to
/// - change what follows from now on: what was sent and set is not sent and set again;
/// - change the state, and how it is made of what was reacted to: all of it is reacted to again by the new code;
/// - react to more events, send other commands, set other deadlines;
/// - change payloads with `upcast_from`, as everywhere.
///
/// Old and new releases may run at once: one that reacts to fewer events, or reads fewer versions of one, stands by, as its
/// [status](crate::consumer::Status) says, and stops before an event whose process it cannot tell.
///
/// It is not safe to take an event, a command or a deadline out of the lists, to change its name, or to change which
/// process an event belongs to, while processes go on that have reacted to it: they could not be made anew, and are
/// parked until it is back. Keep it, with a reaction that does nothing more. To begin with all processes anew, give it another name.
///
/// [`testing::given_process`](crate::testing::given_process) tests a process manager without a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process manager",
    label = "this type does not implement `ProcessManager`",
    note = "add `#[derive(Default, ProcessManager)]` and `#[process_manager(name = \"..\", id = .., events(..))]` to `{Self}`"
)]
// `Default` is not above it: the compiler would say of a type without it that it lacks it at each of its impls.
pub trait ProcessManager: Send + Sync + Sized + 'static {
    /// The first part of the names of its streams, the name of its checkpoint, and of the queue of the replies. No
    /// other service on the bus has a queue of this name.
    const NAME: &'static str;
    /// What tells one process from another.
    type Id: Display + FromStr + Send + Sync;
    /// What the program gives the process manager when it starts: `config = ..` of the derive, `()` without it.
    type Config: Send + Sync + 'static;
    /// The events that it reacts to.
    const EVENTS: &'static [&'static EventDescriptor];
    /// Whether it sends commands to other services, and so waits for replies.
    const SENDS: bool;

    /// The state before the first event: its `Default`.
    fn initial() -> Self;

    /// Returns which processes an event of the log belongs to, in the order in which they react: one nearly always.
    ///
    /// # Errors
    /// When the event cannot be read.
    fn processes_of(event: &RecordedEventRef<'_>) -> Result<Vec<Concerned<Self::Id>>, DecodeError>;

    /// Hands over what is to be reacted to.
    ///
    /// # Errors
    /// When it cannot be read.
    fn react_to(
        &mut self,
        input: &ProcessInput<'_>,
        reactions: &mut Reactions<Self>,
    ) -> Result<(), DecodeReason>;
}

/// A process that an event of the log belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Concerned<I> {
    /// Its id.
    pub id: I,
    /// What it reacts to, where upcasts have rewritten what was recorded; else, that is what it reacts to.
    pub rewritten: Option<Encoded>,
}

impl<I> Concerned<I> {
    /// A process that reacts to an event; `rewritten` is that event as upcasts have made it.
    #[must_use]
    pub const fn new(id: I, rewritten: Option<Encoded>) -> Self {
        Concerned { id, rewritten }
    }
}

/// How a process manager reacts to one event of the log, or to any event of a set.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not react to event `{E}`",
    label = "`{E}` is listed here but nothing follows from it",
    note = "write `impl React<{E}> for {Self} {{ fn process(event: &{E}, recorded: &RecordedEventRef<'_>) -> Option<Self::Id> {{ .. }} fn react(&mut self, event: {E}, reactions: &mut Reactions<Self>) {{ .. }} }}`"
)]
pub trait React<E>: ReactsTo<E> {
    /// Which process the event belongs to; `None` when to none.
    fn process(event: &E, recorded: &RecordedEventRef<'_>) -> Option<Self::Id>;

    /// Takes the event into the state, and says what follows. It is called again whenever the state is made anew; what
    /// it says then is passed over.
    fn react(&mut self, event: E, reactions: &mut Reactions<Self>);
}

/// What follows from a command that was sent: from its reply, and from its refusal.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not say what follows when command `{C}` is answered or refused",
    label = "`{C}` is sent, but nothing follows from its answer",
    note = "write `impl Resolve<{C}> for {Self} {{ fn replied(&mut self, command: {C}, reply: <{C} as RemoteCommand>::Reply, reactions: &mut Reactions<Self>) {{ .. }} fn refused(&mut self, command: {C}, reason: &str, reactions: &mut Reactions<Self>) {{ .. }} }}`"
)]
pub trait Resolve<C: RemoteCommand>: Sends<C> {
    /// It was done, and this is the reply.
    fn replied(&mut self, command: C, reply: C::Reply, reactions: &mut Reactions<Self>);

    /// It was refused: make good what was done before, or go another way.
    fn refused(&mut self, command: C, reason: &str, reactions: &mut Reactions<Self>);
}

/// What follows when a deadline has passed, and was not cancelled.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not say what follows when deadline `{D}` has passed",
    label = "`{D}` is a deadline here, but nothing follows from it",
    note = "write `impl Expire<{D}> for {Self} {{ fn expired(&mut self, deadline: {D}, reactions: &mut Reactions<Self>) {{ .. }} }}`"
)]
pub trait Expire<D>: Schedules<D> {
    /// The deadline has passed.
    fn expired(&mut self, deadline: D, reactions: &mut Reactions<Self>);
}

/// An event, or a set of them, that a process manager lists, and so reacts to. The derive implements it.
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not list the event `{E}`",
    label = "`{E}` is not one of its events: this would never be called",
    note = "list it in the attribute of its derive: `#[process_manager(.., events({E}))]` above `{Self}`"
)]
pub trait ReactsTo<E>: ProcessManager {}

/// A command that a process manager lists, and may send. The derive implements it, and sees to it that there is a
/// [`Resolve`].
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not list the command `{C}`",
    label = "`{C}` is not one of its commands",
    note = "add it: `#[process_manager(.., commands({C}))]`"
)]
pub trait Sends<C>: ProcessManager {}

/// A deadline that a process manager lists, and may set. The derive implements it, and sees to it that there is an
/// [`Expire`].
#[diagnostic::on_unimplemented(
    message = "process manager `{Self}` does not list the deadline `{D}`",
    label = "`{D}` is not one of its deadlines",
    note = "add it: `#[process_manager(.., deadlines({D}))]`"
)]
pub trait Schedules<D>: ProcessManager {}

/// The configuration of a process manager that has none.
#[diagnostic::on_unimplemented(
    message = "the process manager needs its configuration, a `{Self}`",
    label = "nothing gives it its `{Self}` here",
    note = "pass it: `Processes::with_config(StartFrom::Start, {Self} {{ .. }})`, and in tests `given_process_with({Self} {{ .. }})`"
)]
pub trait Unconfigured: Sized {
    /// Returns it.
    fn none() -> Self;
}

impl Unconfigured for () {
    fn none() -> Self {}
}

/// What a process manager reacts to, as it is recorded.
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
    /// That a command was refused.
    Refusal {
        /// The command.
        command: EncodedRef<'a>,
        /// Why.
        reason: &'a str,
    },
    /// A deadline that has passed.
    Deadline(EncodedRef<'a>),
}
