//! The consequences of a process manager's reactions.

use super::cause::{Cause, ReactedEvent};
use super::{ProcessManager, Schedules, Sends};
use crate::aggregate::{Aggregate, AggregateId as _, Command, IdText};
use crate::command::RemoteCommand;
use crate::command::payload::encode_command;
use crate::consumer::HandlerError;
use crate::event::codec::EncodeError;
use crate::event::metadata::Metadata;
use crate::event::{Encoded, Event};
use crate::time::Timestamp;
use crate::unit_of_work::NotedUnitOfWork;
use std::fmt::{self, Debug, Display};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// What a reaction gets alongside its input: the [id](Self::id) of the process, the [configuration](Self::config) of the
/// process manager, where and [when](Self::time) the input was recorded; and the means to decide what follows: commands,
/// deadlines, the end. All of that is committed in one step, with the reaction itself.
///
/// The id, the time, the position and the metadata are recorded with the reaction: they are the same when the process is
/// rebuilt, and so is a state that is built from them.
// `P` has no bound here: rustc would report a process manager that is none at each mention in a handler.
pub struct Reactions<P> {
    /// Whether the state is being rebuilt: its consequences were committed long ago, and are ignored.
    is_replay: bool,
    of: Arc<dyn Identified<P>>,
    cause: Cause,
    steps: Vec<Step>,
    failed: Option<EncodeError>,
}

/// A process, and the configuration of its process manager.
pub(crate) struct Identity<P: ProcessManager> {
    pub(crate) id: P::Id,
    pub(crate) config: Arc<P::Config>,
}

impl<P: ProcessManager> Identity<P> {
    /// Reads the id of a process.
    pub(crate) fn read(id: &str, config: &Arc<P::Config>) -> Result<Arc<Self>, HandlerError> {
        let Some(known) = P::Id::__read(id) else {
            return Err(format!(
                "the id \"{id}\" of process manager \"{}\" cannot be read as a `{}`: make its `FromStr` read what its `Display` writes",
                P::NAME,
                std::any::type_name::<P::Id>()
            )
            .into());
        };
        Ok(Arc::new(Identity {
            id: known,
            config: config.clone(),
        }))
    }
}

/// The same, where nothing says yet that `P` is a process manager.
trait Identified<P>: Send + Sync {
    fn id(&self) -> &P::Id
    where
        P: ProcessManager;

    fn config(&self) -> &P::Config
    where
        P: ProcessManager;
}

impl<P: ProcessManager> Identified<P> for Identity<P> {
    fn id(&self) -> &P::Id {
        &self.id
    }

    fn config(&self) -> &P::Config {
        &self.config
    }
}

/// When a deadline passes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Due {
    /// This long after the input.
    After(Duration),
    /// This long after the reaction.
    FromNow(Duration),
    At(Timestamp),
}

impl Due {
    /// Returns the time at which it passes.
    pub(crate) fn time(self, cause: Timestamp, now: Timestamp) -> Timestamp {
        match self {
            Due::After(after) => cause + after,
            Due::FromNow(after) => now + after,
            Due::At(time) => time,
        }
    }
}

/// One consequence.
#[derive(Debug)]
pub(crate) enum Step {
    Execute(Box<dyn LocalCommand>),
    Send(Outgoing),
    Remind { deadline: Outgoing, due: Due },
    Cancel(&'static str),
    Complete,
}

/// An encoded command or deadline.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) encoded: Encoded,
    /// The receiving service; empty for a deadline.
    pub(crate) service: &'static str,
    pub(crate) key: Option<String>,
}

impl<P: ProcessManager> Reactions<P> {
    pub(crate) const fn new(of: Arc<Identity<P>>, cause: Cause, is_replay: bool) -> Self {
        Reactions {
            is_replay,
            of,
            cause,
            steps: Vec::new(),
            failed: None,
        }
    }

    /// Returns the id of the process.
    #[must_use]
    pub fn id(&self) -> &P::Id {
        self.of.id()
    }

    /// Returns the configuration that the process manager was [given](super::Processes::with_config).
    ///
    /// It is not recorded: a process is rebuilt with the configuration of the program that runs. Let it decide what
    /// follows, and keep values that must not change in the state.
    #[must_use]
    pub fn config(&self) -> &P::Config {
        self.of.config()
    }

    /// Returns when the input happened: when the event was recorded; when the answer was sent, by the clock of the service
    /// that sent it, but no later than it arrived; when the deadline fired.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.cause.time
    }

    /// Returns the id and the position of the event that the process reacts to. `None` in a reaction to an answer or to a
    /// deadline, and for an event whose reaction was recorded by a release of Midgard that did not record this.
    #[must_use]
    pub const fn event(&self) -> Option<&ReactedEvent> {
        self.cause.event.as_ref()
    }

    /// Returns the metadata of the event, with its headers, or of the answer. For a deadline, it names the reaction that
    /// set it.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.cause.metadata
    }

    /// Executes a command on an aggregate of this service, in the same step: its events and the reaction are committed
    /// together.
    ///
    /// A command that is rejected fails the reaction, and nothing of it is committed, unless there is [an
    /// alternative](LocalStep::or_execute). In a store with several logs, so does one on an aggregate in another log than
    /// that of the process.
    pub fn execute<A, C>(&mut self, id: A::Id, command: C) -> LocalStep<'_>
    where
        A: Aggregate,
        A::Id: 'static,
        C: Command<A> + Debug + Send + 'static,
        C::Error: Display,
    {
        if !self.is_replay {
            let command = OnAggregate::<A, C>::new(id, command);
            self.steps.push(Step::Execute(Box::new(command)));
        }
        LocalStep {
            steps: &mut self.steps,
        }
    }

    /// Sends a command to another service. It has its effect once; the answer is passed to [`Resolve`](super::Resolve).
    pub fn send<C: RemoteCommand>(&mut self, command: &C)
    where
        P: Sends<C>,
    {
        if self.is_replay {
            return;
        }
        match encode_command(command) {
            Ok(encoded) => self.steps.push(Step::Send(Outgoing {
                encoded,
                service: C::SERVICE,
                key: command.key().map(Into::into),
            })),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Sets a deadline this long after [the input](Self::time): unless it is cancelled before, [`Expire`](super::Expire) is
    /// called once the deadline has passed, even if the program was not running then. An earlier deadline of the same name
    /// is replaced.
    ///
    /// The delay counts from when the event was recorded, not from when it is handled: after an outage of an hour, a
    /// deadline of 15 minutes has passed, and fires at once. [`remind_from_now`](Self::remind_from_now) counts from the
    /// handling, and [`remind_at`](Self::remind_at) takes a time. In the reaction to a deadline, the delay counts from when
    /// that one fired.
    ///
    /// The wall clock of the program that runs the process manager measures the time. If it is set ahead, deadlines fire
    /// that much earlier, and all that it skips fire at once; if it is set back, they fire later.
    pub fn remind<D: Event>(&mut self, after: Duration, deadline: &D)
    where
        P: Schedules<D>,
    {
        self.set_deadline(Due::After(after), deadline);
    }

    /// Sets a deadline this long after the reaction, however late that is; otherwise as [`remind`](Self::remind). After an
    /// outage of an hour, everybody gets the whole time again.
    pub fn remind_from_now<D: Event>(&mut self, after: Duration, deadline: &D)
    where
        P: Schedules<D>,
    {
        self.set_deadline(Due::FromNow(after), deadline);
    }

    /// Sets a deadline at a time; otherwise as [`remind`](Self::remind). A time that has passed fires at once.
    pub fn remind_at<D: Event>(&mut self, time: Timestamp, deadline: &D)
    where
        P: Schedules<D>,
    {
        self.set_deadline(Due::At(time), deadline);
    }

    fn set_deadline<D: Event>(&mut self, due: Due, deadline: &D) {
        if self.is_replay {
            return;
        }
        match Encoded::of(deadline) {
            Ok(encoded) => self.steps.push(Step::Remind {
                due,
                deadline: Outgoing {
                    encoded,
                    service: "",
                    key: None,
                },
            }),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Cancels a deadline, if it is set.
    pub fn cancel<D: Event>(&mut self)
    where
        P: Schedules<D>,
    {
        self.steps.push(Step::Cancel(D::NAME));
    }

    /// Completes the process: it is no longer listed, and its deadlines are cancelled.
    ///
    /// Later inputs, such as the answer to a command that it has sent, still reach it, and it reacts to them as before, so
    /// that it can compensate for a late answer. It stays complete, and is not listed while it waits for commands that it
    /// sends then: so call this on the last answer.
    pub fn complete(&mut self) {
        self.steps.push(Step::Complete);
    }

    /// Returns what follows, in order, and its cause.
    pub(crate) fn into_steps(self) -> Result<(Vec<Step>, Cause), EncodeError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.steps, self.cause)),
        }
    }
}

impl<P: ProcessManager> Debug for Reactions<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactions")
            .field("process_manager", &P::NAME)
            .field("id", &format_args!("{}", IdText(self.of.id())))
            .field("time", &self.cause.time)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

/// A command on an aggregate of this service, which may get alternatives.
#[derive(Debug)]
pub struct LocalStep<'r> {
    steps: &'r mut [Step],
}

impl LocalStep<'_> {
    /// Adds an alternative, executed when the command is rejected. It may be called several times: the first command that
    /// is not rejected counts.
    pub fn or_execute<A, C>(self, id: A::Id, command: C) -> Self
    where
        A: Aggregate,
        A::Id: 'static,
        C: Command<A> + Debug + Send + 'static,
        C::Error: Display,
    {
        if let Some(Step::Execute(first)) = self.steps.last_mut() {
            first.otherwise(Box::new(OnAggregate::<A, C>::new(id, command)));
        }
        self
    }
}

impl Debug for dyn LocalCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

type Executing<'a> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'a>>;

/// A command on some aggregate of this service.
pub(crate) trait LocalCommand: Send + Sync {
    fn execute<'a>(
        &'a self,
        unit: &'a mut NotedUnitOfWork,
        metadata: &'a Metadata,
    ) -> Executing<'a>;

    /// Describes the command, for tests of a process manager.
    fn text(&self) -> String;

    /// Adds a last alternative.
    fn otherwise(&mut self, command: Box<dyn LocalCommand>);
}

struct OnAggregate<A: Aggregate, C> {
    id: A::Id,
    command: C,
    otherwise: Option<Box<dyn LocalCommand>>,
}

impl<A: Aggregate, C> OnAggregate<A, C> {
    const fn new(id: A::Id, command: C) -> Self {
        OnAggregate {
            id,
            command,
            otherwise: None,
        }
    }
}

impl<A, C> LocalCommand for OnAggregate<A, C>
where
    A: Aggregate,
    C: Command<A> + Send + Debug,
    C::Error: Display,
{
    fn text(&self) -> String {
        let mut text = format!(
            "execute on {}-{}: {:?}",
            A::NAME,
            IdText(&self.id),
            self.command
        );
        if let Some(otherwise) = &self.otherwise {
            text.push_str("\n  or ");
            text.push_str(&otherwise.text());
        }
        text
    }

    fn execute<'a>(
        &'a self,
        unit: &'a mut NotedUnitOfWork,
        metadata: &'a Metadata,
    ) -> Executing<'a> {
        Box::pin(async move {
            let executed = unit
                .execute::<A, C>(&self.id, &self.command, metadata)
                .await;
            match (executed.map(|_| ()), &self.otherwise) {
                (Err(error), Some(otherwise)) if error.is::<crate::command::Refused>() => {
                    otherwise.execute(unit, metadata).await
                }
                (executed, _) => executed.map_err(|error| unit.explain(error)),
            }
        })
    }

    fn otherwise(&mut self, command: Box<dyn LocalCommand>) {
        match &mut self.otherwise {
            Some(otherwise) => otherwise.otherwise(command),
            None => self.otherwise = Some(command),
        }
    }
}
