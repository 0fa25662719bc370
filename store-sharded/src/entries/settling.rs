//! Ends transactions that others have begun.

use super::keys::{LOCKS, OUTCOMES, staged_all};
use super::reading::{all, get};
use super::transaction::{COMMITTED, Holder, Transaction, UNDECIDED, add_changes, unreadable};
use crate::store::Shards;
use futures_timer::Delay;
use futures_util::future::select;
use midgard::Store;
use midgard::store::{EntryError, EntryWrite, StoreError};
use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};

/// How long a transaction may stay undecided before others abort it. Its process begins anew then, and gets twice the time.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon it is noticed that another process has released a lock.
const POLL: Duration = Duration::from_millis(3);

impl<S: Store> Shards<S> {
    /// Waits until a lock is released, or releases it where its process does not go on.
    pub(super) async fn settle(&self, lock: &[u8]) -> Result<(), StoreError> {
        let begun = Instant::now();
        let mut first = None;
        loop {
            let released = self.released.listen();
            let Some(held) = get(self.home(), lock).await? else {
                return Ok(());
            };
            if *first.get_or_insert_with(|| held.clone()) != held {
                // Others take turns.
                return Ok(());
            }
            let holder = Holder::parse(&held)?;
            match self.outcome(&holder).await?.as_deref() {
                Some(COMMITTED) => return self.complete(&holder).await,
                Some(UNDECIDED) => {
                    let patience = PATIENCE * (1 << holder.attempt.min(5));
                    let is_over = begun.elapsed() >= patience || self.is_abandoned(holder.id);
                    if is_over && self.abort(&holder).await? {
                        return self.take_back(&holder).await;
                    }
                }
                None => return self.take_back(&holder).await,
                Some(_) => return Err(unreadable("the outcome of a transaction")),
            }
            select(pin!(released), pin!(Delay::new(POLL))).await;
        }
    }

    /// Returns the outcome of a transaction; `None` when it has none any more.
    pub(super) async fn outcome(&self, holder: &Holder) -> Result<Option<Vec<u8>>, StoreError> {
        get(self.shard(holder.shard)?, &holder.outcome()).await
    }

    /// Aborts a transaction, unless it is committed by now; returns whether it was aborted.
    async fn abort(&self, holder: &Holder) -> Result<bool, StoreError> {
        let outcome = holder.outcome();
        let write = EntryWrite::new()
            .expect(&outcome, Some(UNDECIDED))
            .remove(&outcome);
        changed(self.shard(holder.shard)?.write_entries(write).await)
    }

    /// Does what a committed transaction has staged, unless that was done.
    pub(super) async fn complete(&self, holder: &Holder) -> Result<(), StoreError> {
        let staged = all(self.home(), &staged_all(holder.id)).await?;
        let (keys, parts): (Vec<_>, Vec<_>) = staged.into_iter().unzip();
        let mut write = holder.release(keys);
        if add_changes(&parts.concat(), &mut write).is_none() {
            // Another may have done it meanwhile, and removed them.
            return match self.holds(holder).await? {
                true => Err(unreadable("a staged change")),
                false => Ok(()),
            };
        }
        self.end(holder, write).await?;
        self.forget(holder).await
    }

    /// Returns whether a transaction still has its locks.
    pub(super) async fn holds(&self, holder: &Holder) -> Result<bool, StoreError> {
        let Some(first) = holder.buckets.first() else {
            return Ok(false);
        };
        let held = get(self.home(), &first.lock()).await?;
        Ok(held.is_some_and(|held| held == holder.encode()))
    }

    /// Ends a transaction of this process, as its outcome says; an undecided one is aborted. Returns whether it was committed.
    pub(super) async fn conclude(&self, transaction: &Transaction) -> Result<bool, StoreError> {
        let Transaction {
            holder,
            apply,
            undo,
            ..
        } = transaction;
        // First: it cannot be committed any more when its locks are removed.
        if !self.abort(holder).await? && self.outcome(holder).await?.is_some() {
            self.end(holder, apply.clone()).await?;
            self.forget(holder).await?;
            return Ok(true);
        }
        self.end(holder, undo.clone()).await?;
        Ok(false)
    }

    /// Releases the locks of an aborted transaction, unless that was done.
    async fn take_back(&self, holder: &Holder) -> Result<(), StoreError> {
        let staged = all(self.home(), &staged_all(holder.id)).await?;
        let write = holder.release(staged.into_iter().map(|(key, _)| key));
        self.end(holder, write).await
    }

    /// Writes the end of a transaction, unless another has.
    async fn end(&self, holder: &Holder, write: EntryWrite) -> Result<(), StoreError> {
        changed(self.home().write_entries(write).await)?;
        self.released.notify(usize::MAX);
        self.no_longer_abandoned(holder.id);
        Ok(())
    }

    /// Removes the outcome of a transaction whose locks are released.
    async fn forget(&self, holder: &Holder) -> Result<(), StoreError> {
        let outcome = holder.outcome();
        let write = EntryWrite::new()
            .expect(&outcome, Some(COMMITTED))
            .remove(&outcome);
        changed(self.shard(holder.shard)?.write_entries(write).await).map(drop)
    }
}

impl<S: Store> Shards<S> {
    /// Removes the outcomes that processes have left behind when they ended, as far as that is possible now. A transaction
    /// that is about to lock its entries begins anew.
    pub(crate) async fn sweep(&self) {
        for (shard, store) in self.numbered() {
            if let Err(error) = self.sweep_shard(store).await {
                tracing::debug!(%error, shard, "old outcomes of appends are removed another time");
            }
        }
    }

    async fn sweep_shard(&self, store: &S) -> Result<(), StoreError> {
        let outcomes = all(store, OUTCOMES).await?;
        if outcomes.is_empty() {
            return Ok(());
        }
        // Read after the outcomes: what is committed and not locked any more is done.
        let locks = all(self.home(), LOCKS).await?;
        let locked = locks
            .iter()
            .map(|(_, lock)| Ok(Holder::parse(lock)?.outcome()));
        let locked: HashSet<Vec<u8>> = locked.collect::<Result<_, StoreError>>()?;
        for (key, outcome) in outcomes {
            if !locked.contains(&key) {
                let write = EntryWrite::new().expect(&key, Some(&outcome)).remove(&key);
                changed(store.write_entries(write).await)?;
            }
        }
        Ok(())
    }
}

/// Returns whether a write was done; `false` when another had changed what it expects.
pub(crate) fn changed(written: Result<(), EntryError>) -> Result<bool, StoreError> {
    match written {
        Ok(()) => Ok(true),
        Err(EntryError::Changed { .. }) => Ok(false),
        Err(EntryError::Store(error)) => Err(error),
        Err(error) => Err(StoreError::Backend {
            action: "change entries",
            cause: Box::new(error),
        }),
    }
}
