//! Ends transactions that others have begun.

use super::keys::{LOCKS, OUTCOMES, staged_all};
use super::reading::{all, get};
use super::transaction::{COMMITTED, Holder, KEY, UNDECIDED, unreadable};
use crate::store::Shards;
use futures_timer::Delay;
use futures_util::future::{Either, select};
use midgard::Store;
use midgard::store::{EntryError, EntryWrite, StoreError};
use std::pin::pin;
use std::time::{Duration, Instant};

/// How long a transaction may stay undecided before others abort it. Its process begins anew then.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
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
                    let is_over = begun.elapsed() >= PATIENCE || self.is_abandoned(holder.id);
                    if is_over && self.abort(&holder).await? {
                        return self.take_back(&holder).await;
                    }
                }
                None => return self.take_back(&holder).await,
                Some(_) => return Err(unreadable("the outcome of a transaction")),
            }
            match select(pin!(released), pin!(Delay::new(POLL))).await {
                Either::Left(_) | Either::Right(_) => {}
            }
        }
    }

    /// Returns the outcome of a transaction; `None` when it has none any more.
    pub(super) async fn outcome(&self, holder: &Holder) -> Result<Option<Vec<u8>>, StoreError> {
        get(self.shard(holder.shard)?, &holder.outcome()).await
    }

    /// Aborts a transaction, unless it is committed by now; returns whether it was aborted.
    pub(super) async fn abort(&self, holder: &Holder) -> Result<bool, StoreError> {
        let outcome = holder.outcome();
        let write = EntryWrite::new()
            .expect(&outcome, Some(UNDECIDED))
            .remove(&outcome);
        changed(self.shard(holder.shard)?.write_entries(write).await)
    }

    /// Does what a committed transaction has staged, unless that was done.
    pub(super) async fn complete(&self, holder: &Holder) -> Result<(), StoreError> {
        let staged = all(self.home(), &staged_all(holder.id)).await?;
        let mut write = holder.release(staged.iter().map(|(key, _)| key.clone()));
        let mut staged = staged.into_iter().peekable();
        while let Some((place, change)) = staged.next() {
            let (Some(&KEY), Some((has_value, key))) = (place.last(), change.split_first()) else {
                return Err(unreadable("a staged change"));
            };
            let value = match has_value {
                0 => None,
                _ => Some(
                    staged
                        .next()
                        .ok_or_else(|| unreadable("a staged change"))?
                        .1,
                ),
            };
            write.set(key.to_vec(), value);
        }
        self.end(holder, write).await?;
        self.forget(holder).await
    }

    /// Releases the locks of an aborted transaction, unless that was done.
    async fn take_back(&self, holder: &Holder) -> Result<(), StoreError> {
        let staged = all(self.home(), &staged_all(holder.id)).await?;
        let write = holder.release(staged.into_iter().map(|(key, _)| key));
        self.end(holder, write).await
    }

    /// Writes the end of a transaction, unless another has.
    pub(super) async fn end(&self, holder: &Holder, write: EntryWrite) -> Result<(), StoreError> {
        changed(self.home().write_entries(write).await)?;
        self.released.notify(usize::MAX);
        self.no_longer_abandoned(holder.id);
        Ok(())
    }

    /// Removes the outcome of a transaction whose locks are released.
    pub(super) async fn forget(&self, holder: &Holder) -> Result<(), StoreError> {
        let outcome = holder.outcome();
        let write = EntryWrite::new()
            .expect(&outcome, Some(COMMITTED))
            .remove(&outcome);
        changed(self.shard(holder.shard)?.write_entries(write).await).map(drop)
    }
}

impl<S: Store> Shards<S> {
    /// Removes the outcomes that processes have left behind when they ended; an error has the number of its shard. A
    /// transaction that is about to lock its entries begins anew.
    pub(crate) async fn forget_outcomes(&self) -> Result<(), (usize, StoreError)> {
        for (shard, store) in self.numbered() {
            let failed = |error| (shard, error);
            let outcomes = all(store, OUTCOMES).await.map_err(failed)?;
            if outcomes.is_empty() {
                continue;
            }
            // Read after the outcomes: what is committed and not locked any more is done.
            let locks = all(self.home(), LOCKS).await;
            let locks = locks.map_err(|error| (self.home, error))?;
            let locked = locks.iter().map(|(_, lock)| Holder::parse(lock));
            let locked: Result<Vec<_>, _> = locked.collect();
            let locked = locked.map_err(|error| (self.home, error))?;
            for (key, outcome) in outcomes {
                if locked.iter().all(|holder| holder.outcome() != key) {
                    let write = EntryWrite::new().expect(&key, Some(&outcome)).remove(&key);
                    changed(store.write_entries(write).await).map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

/// Returns whether a write was done; `false` when another had changed what it expects.
pub(super) fn changed(written: Result<(), EntryError>) -> Result<bool, StoreError> {
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
