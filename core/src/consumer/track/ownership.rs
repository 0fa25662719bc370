//! The partitions that a worker owns, and the progress of each: leases and checkpoints.

use super::super::handler::{Handler, TransactionOf};
use super::super::lease::Claim;
use super::super::notes::{self, Checkpoint, Lease, backend};
use super::{Track, TrackError};
use crate::notes::NoteStore as _;
use crate::place::Position;
use crate::store::Store;
use std::time::{Duration, Instant};

/// How often a worker that is not alone checks what others have given back.
const OTHERS: Duration = Duration::from_millis(100);

pub(super) struct Owned {
    pub(super) partition: u32,
    /// How often its owner had changed when this worker got it.
    epoch: u64,
    /// The position up to which events were handled.
    pub(super) checkpoint: Checkpoint,
    /// The checkpoint that was written of it.
    pub(super) saved: Checkpoint,
}

impl Owned {
    pub(super) fn position(&self) -> Position {
        Position(self.checkpoint.position)
    }
}

impl<'a, S: Store, H: Handler> Track<'a, S, H> {
    /// Returns how long not to check the leases while no handler runs. If others own something, we soon check
    /// whether they have released it.
    pub(super) fn check_interval(&self) -> Duration {
        let is_alone = self.owned.len() == self.plan.partitions as usize;
        let interval = self.leases.interval();
        if is_alone {
            interval
        } else {
            interval.min(OTHERS)
        }
    }

    /// Reads the leases when it is time, or on a request; answers challenges, takes partitions and gives them away; and
    /// returns whether it was time. While the worker is `busy` with an event, nothing is taken or given away.
    pub(super) async fn update_leases(
        &mut self,
        wake_count: u64,
        busy: bool,
    ) -> Result<bool, TrackError> {
        let now = Instant::now();
        let is_known = if busy {
            let interval = self.leases.interval();
            self.answered
                .is_some_and(|answered| now - answered < interval)
        } else {
            let interval = self.check_interval();
            self.checked
                .is_some_and(|(checked, seen)| now - checked < interval && seen == wake_count)
        };
        if is_known || self.is_kept_waiting() {
            return Ok(false);
        }
        self.finish_saving().await?;
        if !busy && self.unsaved.is_some() {
            // A partition is handed over with all of its progress.
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
            let notes = self.context.handler.notes();
            notes::commit(notes, transaction).await?;
        } else {
            // If transactions wait for each other, the next one would wait for this one.
            drop(transaction);
        }
        self.show_unowned(&claims);
        self.answered = Some(now);
        if !busy {
            self.checked = Some((now, wake_count));
        }
        self.take_in(&claims, busy).await?;
        Ok(true)
    }

    /// Returns whether the handler of another log has been running for so long that a track with a lease of its own would
    /// have missed a check by now. A lease that is shared is not kept alive for it.
    fn is_kept_waiting(&self) -> bool {
        let interval = self.leases.interval();
        let together = self.context.together;
        together.is_some_and(|together| together.is_held_longer_than(interval))
    }

    /// Shows how many partitions no worker handles.
    fn show_unowned(&self, claims: &[Claim]) {
        let unowned = u32::try_from(self.leases.free(claims)).unwrap_or(u32::MAX);
        if !self.plan.is_alongside {
            self.progress().set_unowned(unowned);
        }
    }

    /// Takes over newly owned partitions, and drops lost ones. A partition that is handed over in the middle of a batch
    /// waits for the end of the batch, which begins at another position than the new partition.
    async fn take_in(&mut self, claims: &[Claim], busy: bool) -> Result<(), TrackError> {
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
                    let key = self
                        .context
                        .keys
                        .lease(number, self.plan.leases_of, partition);
                    let handler = self.context.handler;
                    let checkpoint = handler
                        .resume(self.plan.log, (&key, lease), checkpoint)
                        .await?;
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

    /// Checks, as part of a transaction, that the generations are still as planned.
    async fn check_plan(&self, transaction: &mut TransactionOf<H>) -> Result<(), TrackError> {
        let notes = self.context.handler.notes();
        let about = notes.get(transaction, &self.context.keys.about()).await;
        if about.map_err(backend)? == self.plan.about {
            Ok(())
        } else {
            Err(TrackError::Replan)
        }
    }

    /// Checks, as part of a transaction, that this worker still owns its partitions.
    pub(super) async fn check_leases(
        &self,
        transaction: &mut TransactionOf<H>,
    ) -> Result<(), TrackError> {
        self.check_plan(transaction).await?;
        let notes = self.context.handler.notes();
        for owned in &self.owned {
            let number = self.plan.generation;
            let key = self
                .context
                .keys
                .lease(number, self.plan.leases_of, owned.partition);
            let lease: Option<Lease> = notes::get(notes, transaction, &key).await?;
            if lease.is_none_or(|lease| !self.leases.is_mine(&lease) || lease.epoch != owned.epoch)
            {
                return Err(TrackError::Lost(owned.partition));
            }
            // Rows are only changed if they are as this worker left them.
            if H::ATOMIC {
                let saved = self.checkpoint(transaction, owned.partition).await?;
                if saved != owned.saved {
                    return Err(TrackError::Lost(owned.partition));
                }
            }
        }
        Ok(())
    }
}
