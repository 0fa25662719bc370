//! What follows from what a process manager reacts to.

use super::{ProcessManager, Schedules, Sends};
use crate::aggregate::{Aggregate, Command};
use crate::command::RemoteCommand;
use crate::consumer::HandlerError;
use crate::event::Event;
use crate::event::codec;
use crate::event::codec::{EncodeError, ReadBack};
use crate::event::metadata::Metadata;
use crate::unit_of_work::UnitOfWork;
use std::fmt::{self, Debug, Display};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

/// What follows from what a process manager reacts to: commands, deadlines, the end. All of it is committed in one
/// step, with the reaction itself.
pub struct Reactions<P> {
    /// Whether the state is made anew: what follows did so long ago, and is passed over.
    is_replay: bool,
    steps: Vec<Step>,
    failed: Option<EncodeError>,
    process: PhantomData<fn() -> P>,
}

/// One thing that follows.
pub(crate) enum Step {
    Execute(Box<dyn LocalCommand>),
    Send(Outgoing),
    Remind { deadline: Outgoing, after: Duration },
    Cancel(&'static str),
    Complete,
}

/// A command or a deadline, written down.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) name: &'static str,
    pub(crate) schema_version: u32,
    /// Whom it is for; empty for a deadline.
    pub(crate) service: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) data: Vec<u8>,
}

impl<P: ProcessManager> Reactions<P> {
    pub(crate) const fn new(is_replay: bool) -> Self {
        Reactions {
            is_replay,
            steps: Vec::new(),
            failed: None,
            process: PhantomData,
        }
    }

    /// Lets a command decide on an aggregate of this service, in the same step: its events, and that the process has
    /// reacted, are committed together.
    ///
    /// A command that is rejected fails the reaction, and nothing of it is committed, unless there is
    /// [another way](LocalStep::or_execute).
    pub fn execute<A, C>(&mut self, id: A::Id, command: C) -> LocalStep<'_, P>
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
        LocalStep { reactions: self }
    }

    /// Sends a command to another service. It has its effect once; the answer comes to [`Resolve`](super::Resolve).
    pub fn send<C: RemoteCommand>(&mut self, command: &C)
    where
        P: Sends<C>,
    {
        if self.is_replay {
            return;
        }
        match codec::encode_command(command) {
            Ok(data) => self.steps.push(Step::Send(Outgoing {
                name: C::NAME,
                schema_version: C::VERSION,
                service: C::SERVICE,
                key: command.key().map(Into::into),
                data,
            })),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Sets a deadline: unless it is cancelled before, [`Expire`](super::Expire) is called once this time has passed, also
    /// when the program was not running then. A deadline of the same name that was set before is replaced.
    ///
    /// The time passes by the wall clock of whoever runs the process manager. Where that is set ahead, a deadline fires earlier
    /// by as much, and all that it has passed fire at once; where it is set back, later.
    pub fn remind<D: Event>(&mut self, after: Duration, deadline: &D)
    where
        P: Schedules<D>,
    {
        if self.is_replay {
            return;
        }
        match codec::encode(deadline, ReadBack::Yes) {
            Ok(data) => self.steps.push(Step::Remind {
                after,
                deadline: Outgoing {
                    name: D::NAME,
                    schema_version: D::VERSION,
                    service: "",
                    key: None,
                    data,
                },
            }),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Cancels a deadline, if it was set.
    pub fn cancel<D: Event>(&mut self)
    where
        P: Schedules<D>,
    {
        self.steps.push(Step::Cancel(D::NAME));
    }

    /// The process has come to its end: it is no longer listed, and its deadlines are cancelled.
    ///
    /// What comes afterwards, such as the answer to a command that it has sent, still reaches it and is reacted to as ever,
    /// so that a late answer can be made good. It stays at its end, and is not listed while it waits for what it
    /// sends then: call this with the answer that is the last.
    pub fn complete(&mut self) {
        self.steps.push(Step::Complete);
    }

    /// What follows, in order.
    pub(crate) fn into_steps(self) -> Result<Vec<Step>, EncodeError> {
        self.failed.map_or(Ok(self.steps), Err)
    }
}

impl<P: ProcessManager> Debug for Reactions<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactions")
            .field("process_manager", &P::NAME)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}

/// A command on an aggregate of this service, for which there may be another way.
#[derive(Debug)]
pub struct LocalStep<'r, P: ProcessManager> {
    reactions: &'r mut Reactions<P>,
}

impl<P: ProcessManager> LocalStep<'_, P> {
    /// What is executed instead when the command is rejected. It may be given several times: the first that is not
    /// rejected is taken.
    pub fn or_execute<A, C>(self, id: A::Id, command: C) -> Self
    where
        A: Aggregate,
        A::Id: 'static,
        C: Command<A> + Debug + Send + 'static,
        C::Error: Display,
    {
        if let Some(Step::Execute(first)) = self.reactions.steps.last_mut() {
            first.otherwise(Box::new(OnAggregate::<A, C>::new(id, command)));
        }
        self
    }
}

type Executing<'a> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 'a>>;

/// A command on some aggregate of this service.
pub(crate) trait LocalCommand: Send + Sync {
    fn execute<'a>(&'a self, unit: &'a mut UnitOfWork, metadata: &'a Metadata) -> Executing<'a>;

    /// What it is, for who tests a process manager.
    fn text(&self) -> String;

    /// Adds a last way.
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
        let mut text = format!("execute on {}-{}: {:?}", A::NAME, self.id, self.command);
        if let Some(otherwise) = &self.otherwise {
            text.push_str("\n  or ");
            text.push_str(&otherwise.text());
        }
        text
    }

    fn execute<'a>(&'a self, unit: &'a mut UnitOfWork, metadata: &'a Metadata) -> Executing<'a> {
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
