//! Commits: what handlers wrote, together with the checkpoints.

use super::super::handler::{Handler, TransactionOf};
use super::super::notes::{self, Checkpoint, NoteError};
use super::{Track, TrackError};
use crate::notes::NoteStore as _;
use crate::place::Position;
use crate::store::Store;
use futures_util::future::join;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

/// Checkpoints that are being written.
pub(super) struct Saving<'a> {
    /// Never locked: it makes the track `Sync`, although the future need not be.
    commit: Mutex<Commit<'a>>,
    /// The checkpoints being written, of the partitions as they are owned.
    checkpoints: Vec<Checkpoint>,
}

type Commit<'a> = Pin<Box<dyn Future<Output = Result<(), NoteError>> + Send + 'a>>;

impl<'a> Saving<'a> {
    pub(super) fn commit(&mut self) -> &mut Commit<'a> {
        self.commit
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, S: Store, H: Handler> Track<'a, S, H> {
    /// Commits a transaction with everything up to `reached`, in which this many events were handled.
    pub(super) async fn commit(
        &mut self,
        mut transaction: TransactionOf<H>,
        reached: Position,
        handled: u64,
    ) -> Result<(), TrackError> {
        let context = self.context;
        self.finish_saving().await?;
        let checkpoints = self.put_checkpoints(&mut transaction, reached).await?;
        // The commit begins first; the next events are read while it runs.
        let ahead = self.ahead.read(
            context.store,
            context.handler.query(),
            self.plan.place(reached),
        );
        let (committed, ()) = join(write(context.handler, transaction), ahead).await;
        committed?;
        self.pass(reached, handled);
        self.take_saved(checkpoints);
        self.unsaved = None;
        self.show();
        Ok(())
    }

    pub(super) async fn save(&mut self) -> Result<(), TrackError> {
        if self.owned.is_empty() || self.unsaved.is_none() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        self.commit(transaction, Position::ZERO, 0).await
    }

    /// Begins to write the checkpoints. A subscription goes on meanwhile, so that no event waits for a
    /// commit that has nothing to do with it; a projection's transactions come one after the other.
    pub(super) async fn begin_saving(&mut self) -> Result<(), TrackError> {
        if H::ATOMIC {
            return self.save().await;
        }
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let checkpoints = self
            .put_checkpoints(&mut transaction, Position::ZERO)
            .await?;
        let notes = self.context.handler.notes();
        self.saving = Some(Saving {
            commit: Mutex::new(Box::pin(
                async move { notes::commit(notes, transaction).await },
            )),
            checkpoints,
        });
        self.unsaved = None;
        Ok(())
    }

    /// Takes the outcome of writing the checkpoints.
    pub(super) fn saved(&mut self, committed: Result<(), NoteError>) -> Result<(), TrackError> {
        let saving = self.saving.take();
        committed?;
        let checkpoints = saving.map(|saving| saving.checkpoints);
        self.take_saved(checkpoints.unwrap_or_default());
        Ok(())
    }

    pub(super) async fn finish_saving(&mut self) -> Result<(), TrackError> {
        let Some(saving) = &mut self.saving else {
            return Ok(());
        };
        let committed = saving.commit().await;
        self.saved(committed)
    }
}

/// Commits a transaction. Its error says whether it is the fault of what handlers wrote.
pub(super) async fn write<H: Handler>(
    handler: &H,
    transaction: TransactionOf<H>,
) -> Result<(), TrackError> {
    let notes = handler.notes();
    match notes.commit(transaction).await {
        Err(error) if notes.is_refusal(&error) => Err(TrackError::Refused(error.into())),
        committed => Ok(notes::committed(notes, committed)?),
    }
}
