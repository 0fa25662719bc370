//! What a consumer does with events, and where it keeps its notes.

use super::coverage::Covered;
use super::failure::{FailurePolicy, Then};
use super::notes::{Checkpoint, Lease, NoteError, backend};
use super::options::ConsumerOptions;
use super::start::StartFrom;
use crate::cause::Whole;
use crate::event::codec::DecodeError;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore;
use crate::place::{LogId, Place, Position};
use crate::store::query::Query;
use std::error::Error;
use std::future::ready;
use std::pin::Pin;
use std::time::Duration;

/// Any error of a handler.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// Why an event was not projected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The event could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The handler failed.
    #[error("{}", Whole(&**.0))]
    Handler(HandlerError),
}

/// Work for after the commit.
pub(crate) struct Effect {
    /// Of the event that it follows from.
    pub(crate) position: Position,
    pub(crate) work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The transaction of a handler.
pub(crate) type TransactionOf<H> = <<H as Handler>::Notes as NoteStore>::Transaction;

/// A subscription or a projection, as the consumer sees it.
pub(crate) trait Handler: Send + Sync {
    /// Where the notes are kept.
    type Notes: NoteStore;
    /// Whether all that a handler does is in the transaction, so that it can be undone.
    const ATOMIC: bool;

    fn notes(&self) -> &Self::Notes;

    /// Begins a transaction on what events of a generation change, and on the notes.
    fn begin(
        &self,
        generation: u32,
    ) -> impl Future<Output = Result<TransactionOf<Self>, NoteError>> + Send {
        let _ = generation;
        async { self.notes().begin().await.map_err(backend) }
    }

    /// Looks at what the handling of one event has left in the transaction, once it is done.
    fn check(
        &self,
        transaction: &mut TransactionOf<Self>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = transaction;
        ready(Ok(()))
    }

    fn options(&self) -> &ConsumerOptions;

    /// The events that are read.
    fn query(&self) -> &Query;

    /// The events that are handled, each with the newest version that can be read.
    fn covers(&self) -> Covered;

    /// Whether it can be told to which sequence an event belongs that cannot be read.
    fn tells_sequence(&self) -> bool {
        !self.options().has_sequence()
    }

    /// Whether an event that was read is handled at all.
    fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        let _ = event;
        true
    }

    fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, TransactionOf<Self>>,
    ) -> impl Future<Output = Result<(), ProjectError>> + Send;

    /// How long to wait before it is tried again, after so many failures in a row; `None` when it is of no use.
    fn wait_after(
        &self,
        error: &HandlerError,
        policy: &FailurePolicy,
        failures: u32,
    ) -> Option<Duration> {
        let _ = error;
        policy.wait_after(failures)
    }

    /// What is done with an event that it failed on so, where its policy says `then`.
    fn then_after(&self, error: &HandlerError, then: Then) -> Then {
        let _ = error;
        then
    }

    /// Whether a refused commit is nobody's fault: others were faster, and it is to be tried again at once.
    fn is_conflict(&self, error: &HandlerError) -> bool {
        let _ = error;
        false
    }

    /// Where a partition goes on that this worker has come to own, by the lease of this key: at its checkpoint, or at what has
    /// been written in its place.
    fn resume(
        &self,
        lease: (&str, &Lease),
        checkpoint: Checkpoint,
    ) -> impl Future<Output = Result<Checkpoint, NoteError>> + Send {
        let _ = lease;
        ready(Ok(checkpoint))
    }

    /// Why others own all partitions, where that is not as it should be.
    fn why_standby(&self) -> impl Future<Output = Option<String>> + Send {
        ready(None)
    }

    /// Whether a handler failed as others have changed meanwhile what its transaction relies on: nobody's fault either.
    fn is_overtaken(&self, transaction: &TransactionOf<Self>) -> bool {
        let _ = transaction;
        false
    }

    /// Whether a transaction has enough in it to be committed before more is handled.
    fn is_full(&self, transaction: &TransactionOf<Self>) -> bool {
        let _ = transaction;
        false
    }
}

/// A handler without generations: what it did stays done.
pub(crate) trait Continuous: Handler {
    fn name(&self) -> &str;

    /// Where it begins without a checkpoint; with the first event, where nobody said so.
    fn start(&self) -> Option<StartFrom>;

    fn partitions(&self) -> u32 {
        1
    }

    /// Why it may not begin, when it has never begun yet.
    fn refuses_to_begin(&self) -> impl Future<Output = Result<Option<String>, NoteError>> + Send {
        ready(Ok(None))
    }
}

/// One call of a handler.
pub(crate) struct Call<'a, T> {
    pub(crate) transaction: &'a mut T,
    pub(crate) effects: &'a mut Vec<Effect>,
    /// The number of the generation.
    pub(crate) generation: u32,
    pub(crate) is_replay: bool,
    /// How often the handler failed on this event before.
    pub(crate) failures: u32,
}

/// What is run at once: one generation on one log, with as many partitions.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) generation: u32,
    /// The log whose partitions are handled.
    pub(crate) log: LogId,
    pub(crate) partitions: u32,
    /// The generation that readers see meanwhile.
    pub(crate) replaces: Option<u32>,
    /// Whether this worker keeps that one up to date meanwhile.
    pub(crate) is_beside: bool,
    /// Where to begin without a checkpoint.
    pub(crate) start: Position,
    /// What was written down about the consumer when this was planned: once it is not so, there is another
    /// plan.
    pub(crate) about: Option<String>,
}

impl Plan {
    /// A place in its log.
    pub(crate) const fn place(&self, position: Position) -> Place {
        Place::new(self.log, position)
    }
}
