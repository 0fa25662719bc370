//! Which partitions a worker owns, and how far each of them is: leases and checkpoints.

use super::super::handler::{Handler, TransactionOf};
use super::super::lease::Claim;
use super::super::notes::{self, Checkpoint, Lease, NoteError, backend};
use super::{Track, Trouble};
use crate::notes::NoteStore as _;
use crate::place::Position;
use crate::store::Store;
use futures_util::future::join;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a worker that is not alone looks for what others have given back.
const OTHERS: Duration = Duration::from_millis(100);

pub(super) struct Owned {
    pub(super) partition: u32,
    /// How often its owner had changed when this worker got it.
    epoch: u64,
    /// Up to where events were handled.
    pub(super) checkpoint: Checkpoint,
    /// What of that was written down.
    pub(super) saved: Checkpoint,
}

impl Owned {
    pub(super) fn position(&self) -> Position {
        Position(self.checkpoint.position)
    }
}

/// Checkpoints that are being written.
pub(super) struct Saving<'a> {
    /// Never locked: it lets the track be shared, though a future need not be `Sync`.
    commit: Mutex<Commit<'a>>,
    /// What is written, of the partitions as they are owned.
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
    /// How long not to look at the leases while no handler runs. Where others own something, it is looked soon
    /// whether they have given it back.
    pub(super) fn between_looks(&self) -> Duration {
        let is_alone = self.owned.len() == self.plan.partitions as usize;
        let interval = self.leases.interval();
        if is_alone {
            interval
        } else {
            interval.min(OTHERS)
        }
    }

    /// Looks at the leases when it is time to, or when something was asked for; says whether it did.
    /// While it is `busy` with an event, nothing is taken or given away.
    pub(super) async fn update_leases(&mut self, asked: u64, busy: bool) -> Result<bool, Trouble> {
        let now = Instant::now();
        let is_known = if busy {
            let interval = self.leases.interval();
            self.answered
                .is_some_and(|answered| now - answered < interval)
        } else {
            let interval = self.between_looks();
            self.looked
                .is_some_and(|(looked, seen)| now - looked < interval && seen == asked)
        };
        if is_known {
            return Ok(false);
        }
        self.finish_saving().await?;
        if !busy && self.unsaved.is_some() {
            // What is handed over is handed over with all that was done.
            self.save().await?;
        }
        let mut transaction = self.begin().await?;
        self.check_plan(&mut transaction).await?;
        let mut claims = self.claims(&mut transaction).await?;
        let writes = self.leases.decide(now, &claims, busy);
        if !writes.is_empty() {
            for (index, claim) in writes {
                let before = std::mem::replace(&mut claims[index], claim);
                self.put_claim(&mut transaction, index, &before, &claims[index])
                    .await?;
            }
            let notes = self.around.handler.notes();
            notes::commit(notes, transaction).await?;
        } else {
            // Where transactions wait for each other, the next one would wait for this one.
            drop(transaction);
        }
        self.show_unowned(&claims);
        self.answered = Some(now);
        if !busy {
            self.looked = Some((now, asked));
        }
        self.take_in(&claims, busy).await?;
        Ok(true)
    }

    /// Says how many partitions nobody handles.
    fn show_unowned(&self, claims: &[Claim]) {
        let unowned = u32::try_from(self.leases.free(claims)).unwrap_or(u32::MAX);
        if !self.plan.is_beside {
            self.around.progress.set_unowned(unowned);
        }
    }

    /// Takes over what is newly owned, and lets go of what is lost. What is handed over in the middle of a
    /// batch waits for the end of it: that batch begins at another position than the new partition.
    async fn take_in(&mut self, claims: &[Claim], busy: bool) -> Result<(), Trouble> {
        let mut owned: Vec<Owned> = Vec::new();
        let mut is_new = false;
        for (index, Claim { lease, .. }) in claims.iter().enumerate() {
            if !self.leases.is_mine(lease) {
                continue;
            }
            let partition = u32::try_from(index).unwrap_or(u32::MAX);
            let known = self.owned.iter().find(|one| one.partition == partition);
            let (checkpoint, saved) = match known {
                Some(known) if known.epoch == lease.epoch => {
                    (known.checkpoint.clone(), known.saved.clone())
                }
                _ if busy => continue,
                _ => {
                    is_new = true;
                    let mut transaction = self.begin_read().await?;
                    let checkpoint = self.checkpoint(&mut transaction, partition).await?;
                    drop(transaction);
                    self.check_event_at(&checkpoint).await?;
                    let number = self.plan.generation;
                    let key = self.around.keys.lease(number, partition);
                    let handler = self.around.handler;
                    let checkpoint = handler.resume((&key, lease), checkpoint).await?;
                    (checkpoint.clone(), checkpoint)
                }
            };
            owned.push(Owned {
                partition,
                epoch: lease.epoch,
                checkpoint,
                saved,
            });
        }
        self.owned = owned;
        if is_new {
            self.load_parked().await?;
            self.is_taken_up = false;
        }
        Ok(())
    }

    /// Makes sure, as part of a transaction, that the generations are still as they were planned.
    async fn check_plan(&self, transaction: &mut TransactionOf<H>) -> Result<(), Trouble> {
        let notes = self.around.handler.notes();
        let about = notes.get(transaction, &self.around.keys.about()).await;
        if about.map_err(backend)? == self.plan.about {
            Ok(())
        } else {
            Err(Trouble::Replan)
        }
    }

    /// Makes sure, as part of a transaction, that what is owned is still owned.
    pub(super) async fn check_leases(
        &self,
        transaction: &mut TransactionOf<H>,
    ) -> Result<(), Trouble> {
        self.check_plan(transaction).await?;
        let notes = self.around.handler.notes();
        for owned in &self.owned {
            let number = self.plan.generation;
            let key = self.around.keys.lease(number, owned.partition);
            let lease: Option<Lease> = notes::get(notes, transaction, &key).await?;
            if lease.is_none_or(|lease| !self.leases.is_mine(&lease) || lease.epoch != owned.epoch)
            {
                return Err(Trouble::Lost(owned.partition));
            }
            // Rows are only built on what they were when this worker left them.
            if H::ATOMIC {
                let saved = self.checkpoint(transaction, owned.partition).await?;
                if saved != owned.saved {
                    return Err(Trouble::Lost(owned.partition));
                }
            }
        }
        Ok(())
    }

    /// Commits a transaction with everything up to `reached`, in which so many events were handled.
    pub(super) async fn commit(
        &mut self,
        mut transaction: TransactionOf<H>,
        reached: Position,
        handled: u64,
    ) -> Result<(), Trouble> {
        let around = self.around;
        self.finish_saving().await?;
        let checkpoints = self.put_checkpoints(&mut transaction, reached).await?;
        // The commit begins first, and is waited for with the next events at hand.
        let ahead = self
            .ahead
            .read(around.store, around.handler.query(), reached);
        let (committed, ()) = join(write(around.handler, transaction), ahead).await;
        committed?;
        self.pass(reached, handled);
        self.take_saved(checkpoints);
        self.unsaved = None;
        self.show();
        Ok(())
    }

    pub(super) async fn save(&mut self) -> Result<(), Trouble> {
        if self.owned.is_empty() || self.unsaved.is_none() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        self.commit(transaction, Position::ZERO, 0).await
    }

    /// Begins to write the checkpoints. A subscription goes on meanwhile, so that no event waits for a
    /// commit that has nothing to do with it; a projection's transactions come one after the other.
    pub(super) async fn begin_saving(&mut self) -> Result<(), Trouble> {
        if H::ATOMIC {
            return self.save().await;
        }
        let mut transaction = self.begin().await?;
        self.check_leases(&mut transaction).await?;
        let checkpoints = self
            .put_checkpoints(&mut transaction, Position::ZERO)
            .await?;
        let notes = self.around.handler.notes();
        self.saving = Some(Saving {
            commit: Mutex::new(Box::pin(
                async move { notes::commit(notes, transaction).await },
            )),
            checkpoints,
        });
        self.unsaved = None;
        Ok(())
    }

    /// Takes in what became of the checkpoints.
    pub(super) fn saved(&mut self, committed: Result<(), NoteError>) -> Result<(), Trouble> {
        let saving = self.saving.take();
        committed?;
        let checkpoints = saving.map(|saving| saving.checkpoints);
        self.take_saved(checkpoints.unwrap_or_default());
        Ok(())
    }

    pub(super) async fn finish_saving(&mut self) -> Result<(), Trouble> {
        let Some(saving) = &mut self.saving else {
            return Ok(());
        };
        let committed = saving.commit().await;
        self.saved(committed)
    }
}

/// Commits a transaction, and tells whether an error is the fault of what handlers wrote.
pub(super) async fn write<H: Handler>(
    handler: &H,
    transaction: TransactionOf<H>,
) -> Result<(), Trouble> {
    let notes = handler.notes();
    match notes.commit(transaction).await {
        Err(error) if notes.is_refusal(&error) => Err(Trouble::Refused(Box::new(error))),
        committed => Ok(notes::committed(notes, committed)?),
    }
}
