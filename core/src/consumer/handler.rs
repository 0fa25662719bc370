//! What a consumer does with events, and where it keeps its notes.

use super::coverage::Covered;
use super::failure::{FailurePolicy, Then};
use super::handler_error::HandlerError;
use super::notes::{Checkpoint, Lease, NoteError, backend};
use super::options::ConsumerOptions;
use super::start::StartFrom;
use crate::cause::Whole;
use crate::event::codec::DecodeError;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore;
use crate::place::{LogId, Place, Position};
use crate::store::query::Query;
use std::future::ready;
use std::pin::Pin;
use std::time::Duration;

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
    /// The position of its event.
    pub(crate) position: Position,
    pub(crate) work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The transaction of a handler.
pub(crate) type TransactionOf<H> = <<H as Handler>::Notes as NoteStore>::Transaction;

/// A subscription, a projection, a process manager or an outbox, as the consumer sees it.
pub(crate) trait Handler: Send + Sync {
    /// Where the notes are kept.
    type Notes: NoteStore;
    /// Whether the transaction holds everything that a handler does, so that it can be undone.
    const ATOMIC: bool;

    fn notes(&self) -> &Self::Notes;

    /// Begins a transaction on the rows of a generation, and on the notes.
    fn begin(
        &self,
        generation: u32,
    ) -> impl Future<Output = Result<TransactionOf<Self>, NoteError>> + Send {
        let _ = generation;
        async { self.notes().begin().await.map_err(backend) }
    }

    /// Checks the changes of one event in the transaction, once its handler is done.
    fn check(
        &self,
        transaction: &mut TransactionOf<Self>,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = transaction;
        ready(Ok(()))
    }

    fn options(&self) -> &ConsumerOptions;

    /// Returns the query for the events that are read.
    fn query(&self) -> &Query;

    /// Returns the events that are handled, each with the newest version that can be read.
    fn covers(&self) -> Covered;

    /// Returns whether the sequence of an event is known when the event cannot be read.
    fn tells_sequence(&self) -> bool {
        !self.options().has_sequence()
    }

    /// Returns whether an event that was read is handled at all.
    fn wants(&self, event: &RecordedEventRef<'_>) -> bool {
        let _ = event;
        true
    }

    fn handle(
        &self,
        event: &RecordedEventRef<'_>,
        call: Call<'_, TransactionOf<Self>>,
    ) -> impl Future<Output = Result<(), ProjectError>> + Send;

    /// Returns how long to wait before a retry, after this many failures in a row; `None` when a retry is of no use.
    fn wait_after(
        &self,
        error: &HandlerError,
        policy: &FailurePolicy,
        failures: u32,
    ) -> Option<Duration> {
        let _ = error;
        policy.wait_after(failures)
    }

    /// Returns what happens to an event that failed with this error, when its policy says `then`.
    fn then_after(&self, error: &HandlerError, then: Then) -> Then {
        let _ = error;
        then
    }

    /// Returns whether a commit was refused only because others were faster. It is then tried again at once.
    fn is_conflict(&self, error: &HandlerError) -> bool {
        let _ = error;
        false
    }

    /// Returns where to continue with a partition of a log that this worker now owns, by the lease of this key: at its
    /// checkpoint, or at one that was written instead.
    fn resume(
        &self,
        log: LogId,
        lease: (&str, &Lease),
        checkpoint: Checkpoint,
    ) -> impl Future<Output = Result<Checkpoint, NoteError>> + Send {
        let _ = (log, lease);
        ready(Ok(checkpoint))
    }

    /// Returns why others own all partitions of a log, if this needs attention.
    fn why_standby(&self, log: LogId) -> impl Future<Output = Option<String>> + Send {
        let _ = log;
        ready(None)
    }

    /// Returns whether a handler failed only because others have changed what its transaction relies on.
    fn is_overtaken(&self, transaction: &TransactionOf<Self>) -> bool {
        let _ = transaction;
        false
    }

    /// Returns how many rows must be read before the events of a transaction are handled again.
    fn lacking(&self, transaction: &TransactionOf<Self>) -> usize {
        let _ = transaction;
        0
    }

    /// Reads what a handler asked for, and undoes what was done in the transaction.
    fn load(
        &self,
        transaction: &mut TransactionOf<Self>,
    ) -> impl Future<Output = Result<(), NoteError>> + Send {
        let _ = transaction;
        ready(Ok(()))
    }

    /// Returns whether a transaction is so large that it must be committed before more is handled.
    fn is_full(&self, transaction: &TransactionOf<Self>) -> bool {
        let _ = transaction;
        false
    }
}

/// A handler without generations: what it did stays done.
pub(crate) trait Continuous: Handler {
    fn name(&self) -> &str;

    /// Returns where it begins without a checkpoint; `None` begins with the first event.
    fn start(&self) -> Option<StartFrom>;

    fn partitions(&self) -> u32 {
        1
    }

    /// Returns why a consumer that has never begun may not begin.
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

/// The work of one track: one generation on one log, with its partitions.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) generation: u32,
    /// The log whose partitions are handled.
    pub(crate) log: LogId,
    /// The log whose leases count: its own, or the main one where one worker has all logs.
    pub(crate) leases_of: LogId,
    pub(crate) partitions: u32,
    /// The generation that readers see meanwhile.
    pub(crate) replaces: Option<u32>,
    /// Whether this worker keeps that one up to date meanwhile.
    pub(crate) is_alongside: bool,
    /// Where to begin without a checkpoint.
    pub(crate) start: Position,
    /// The note about the consumer when this was planned: once the note changes, there is another plan.
    pub(crate) about: Option<String>,
}

impl Plan {
    /// Returns a place in its log.
    pub(crate) const fn place(&self, position: Position) -> Place {
        Place::new(self.log, position)
    }
}
