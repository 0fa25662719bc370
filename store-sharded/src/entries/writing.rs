//! Changes of entries, alone or with events.

use super::keys::{Bucket, LOCKS, RESERVED};
use super::transaction::{COMMITTED, Holder, Transaction, TransactionId, UNDECIDED};
use crate::store::Shards;
use midgard::Store;
use midgard::store::{Append, AppendError, Appended, EntryError, EntryWrite, StoreError};

impl<S: Store> Shards<S> {
    /// Changes entries, once nobody else has locked them.
    pub(crate) async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        check_keys(&write)?;
        write.check_limits()?;
        let guarded = guarded(write);
        loop {
            match self.home().write_entries(guarded.clone()).await {
                Err(EntryError::Changed { key }) if key.starts_with(LOCKS) => {
                    self.settle(&key).await?;
                }
                other => return other,
            }
        }
    }

    /// Appends events to a shard, and changes entries with them.
    pub(crate) async fn append_with_entries(
        &self,
        shard: usize,
        append: Append,
        entries: EntryWrite,
    ) -> Result<Appended, AppendError> {
        check_keys(&entries)?;
        append.check_limits()?;
        if shard != self.home {
            return self.append_over_shards(shard, append, &entries).await;
        }
        let append = append.with_entries(guarded(entries));
        loop {
            match self.home().append(append.clone()).await {
                Err(AppendError::EntryChanged { key }) if key.starts_with(LOCKS) => {
                    self.settle(&key).await?;
                }
                other => return other,
            }
        }
    }

    async fn append_over_shards(
        &self,
        shard: usize,
        append: Append,
        entries: &EntryWrite,
    ) -> Result<Appended, AppendError> {
        loop {
            let transaction = Transaction::new(entries, shard)?;
            let outcome = transaction.holder.outcome();
            let undecided = EntryWrite::new()
                .expect(&outcome, None)
                .put(&outcome, UNDECIDED);
            self.shard(shard)?.write_entries(undecided).await?;
            // Where this future is dropped before it is over, others need not wait.
            let mut begun = Begun {
                shards: self,
                id: transaction.holder.id,
                is_over: false,
            };
            let decided = self.decide(&transaction, &append).await;
            begun.is_over = decided.is_ok();
            // Others have aborted it: it begins anew.
            if let Some(appended) = decided? {
                return Ok(appended);
            }
        }
    }

    /// Takes a transaction to its end; `None` when others have aborted it.
    async fn decide(
        &self,
        transaction: &Transaction,
        append: &Append,
    ) -> Result<Option<Appended>, AppendError> {
        let Transaction {
            holder, lock, undo, ..
        } = transaction;
        let events = self.shard(holder.shard)?;
        let outcome = holder.outcome();
        let append_if = |expected: &[u8], then: &[u8]| {
            let outcome = EntryWrite::new()
                .expect(&outcome, Some(expected))
                .put(&outcome, then);
            events.append(append.clone().with_entries(outcome))
        };
        while let Err(error) = self.home().write_entries(lock.clone()).await {
            match error {
                EntryError::Changed { key } if key.starts_with(LOCKS) => self.settle(&key).await?,
                EntryError::Changed { key } => {
                    // Streams and condition come first, and an append that is there already is answered.
                    let answer = append_if(COMMITTED, COMMITTED).await;
                    self.remove_undecided(holder).await?;
                    return match answer {
                        Err(AppendError::EntryChanged { .. }) => {
                            Err(AppendError::EntryChanged { key })
                        }
                        other => other.map(Some),
                    };
                }
                error => {
                    self.remove_undecided(holder).await?;
                    return Err(error.into());
                }
            }
        }
        match append_if(UNDECIDED, COMMITTED).await {
            Ok(appended) => {
                if let Err(error) = self.finish(transaction).await {
                    // The events are there: the next reader or writer of the entries does the rest.
                    tracing::warn!(%error, "the entries of an append are to be changed later");
                    self.abandon(holder.id);
                }
                Ok(Some(appended))
            }
            Err(AppendError::EntryChanged { .. }) => {
                self.end(holder, undo.clone()).await?;
                Ok(None)
            }
            Err(error @ AppendError::Store(StoreError::OutcomeUnknown { .. })) => Err(error),
            Err(error) => {
                let released = self.end(holder, undo.clone()).await;
                if released.is_ok() {
                    // What is left of it when this fails is in nobody's way.
                    let _ = self.remove_undecided(holder).await;
                }
                Err(error)
            }
        }
    }

    /// Ends a transaction whose events are there.
    async fn finish(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let Transaction {
            holder,
            apply,
            undo,
            ..
        } = transaction;
        match self.outcome(holder).await?.as_deref() {
            Some(COMMITTED) => {
                self.end(holder, apply.clone()).await?;
                self.forget(holder).await
            }
            // They were there already, and their entries were changed then.
            Some(_) => {
                self.end(holder, undo.clone()).await?;
                self.remove_undecided(holder).await
            }
            // Another has ended it.
            None => Ok(()),
        }
    }

    /// Removes the outcome of a transaction that has come to nothing.
    async fn remove_undecided(&self, holder: &Holder) -> Result<(), StoreError> {
        self.abort(holder).await.map(drop)
    }
}

/// A transaction that nobody takes to its end when this is dropped before it is over.
struct Begun<'a, S> {
    shards: &'a Shards<S>,
    id: TransactionId,
    is_over: bool,
}

impl<S> Drop for Begun<'_, S> {
    fn drop(&mut self) {
        if !self.is_over {
            self.shards.abandon(self.id);
        }
    }
}

/// Returns the same write, for a moment in which nobody has locked one of its entries.
fn guarded(write: EntryWrite) -> EntryWrite {
    let buckets = Bucket::all_of(&write);
    buckets
        .into_iter()
        .fold(write, |write, bucket| write.expect(&bucket.lock(), None))
}

/// Refuses the keys that the sharded store uses itself.
fn check_keys(write: &EntryWrite) -> Result<(), StoreError> {
    let changed = write.changes().iter().map(|(key, _)| key);
    let mut keys = write.expected().keys().map(Vec::as_slice).chain(changed);
    if keys.any(|key| key.starts_with(RESERVED)) {
        return Err(StoreError::Backend {
            action: "change entries",
            cause: format!(
                "keys that begin with \"{}\" are those of the sharded store itself; use other keys",
                RESERVED.escape_ascii()
            )
            .into(),
        });
    }
    Ok(())
}
