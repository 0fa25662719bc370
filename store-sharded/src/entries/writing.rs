//! Changes of entries, alone or with events.

use super::keys::{Bucket, LOCKS, RESERVED};
use super::reading::get;
use super::settling::changed;
use super::transaction::{COMMITTED, Transaction, TransactionId, UNDECIDED};
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
                Err(EntryError::Changed { key }) => match self.lock_before(&key).await? {
                    Some(lock) => self.settle(&lock).await?,
                    None => return Err(EntryError::Changed { key }),
                },
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
        entries.check_limits()?;
        if shard != self.home {
            return self.append_over_shards(shard, append, &entries).await;
        }
        let append = append.with_entries(guarded(entries));
        loop {
            match self.home().append(append.clone()).await {
                Err(AppendError::EntryChanged { key }) => match self.lock_before(&key).await? {
                    Some(lock) => self.settle(&lock).await?,
                    None => return Err(AppendError::EntryChanged { key }),
                },
                other => return other,
            }
        }
    }

    /// Returns the lock that is in the way of a write, if it is one: entries are checked in the order of their keys, and
    /// those of locks come after few others.
    async fn lock_before(&self, changed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if changed.starts_with(LOCKS) {
            return Ok(Some(changed.to_vec()));
        }
        if changed > LOCKS {
            return Ok(None);
        }
        let lock = Bucket::of(changed).lock();
        let is_held = get(self.home(), &lock).await?.is_some();
        Ok(is_held.then_some(lock))
    }

    async fn append_over_shards(
        &self,
        shard: usize,
        append: Append,
        entries: &EntryWrite,
    ) -> Result<Appended, AppendError> {
        let mut attempt = 0_u8;
        loop {
            let transaction = Transaction::new(entries, shard, attempt)?;
            attempt = attempt.saturating_add(1);
            let outcome = transaction.holder.outcome();
            let undecided = EntryWrite::new()
                .expect(&outcome, None)
                .put(&outcome, UNDECIDED);
            if !changed(self.shard(shard)?.write_entries(undecided).await)? {
                continue;
            }
            // Where this future is dropped before it is over, others need not wait.
            let mut begun = Begun {
                shards: self,
                id: transaction.holder.id,
                is_over: false,
            };
            // Otherwise it was aborted, and begins anew.
            if let Some(decided) = self.decide(&transaction, &append, &mut begun.is_over).await {
                return decided;
            }
        }
    }

    /// Takes a transaction to its end; `None` when others have aborted it. It is over when others will not meet its locks.
    async fn decide(
        &self,
        transaction: &Transaction,
        append: &Append,
        is_over: &mut bool,
    ) -> Option<Result<Appended, AppendError>> {
        if let Err(error) = self.lock(transaction).await {
            let answer = match error {
                // Streams and condition come first, and an append that is there already is answered. This changes nothing.
                EntryError::Changed { key } => {
                    match self.append_if(transaction, append, COMMITTED).await {
                        Err(AppendError::EntryChanged { .. }) => {
                            Err(AppendError::EntryChanged { key })
                        }
                        other => other,
                    }
                }
                error => Err(error.into()),
            };
            *is_over = self.conclude(transaction).await.is_ok();
            return Some(answer);
        }
        let answer = self.append_if(transaction, append, UNDECIDED).await;
        if is_unknown(&answer) {
            return Some(answer);
        }
        let concluded = self.conclude(transaction).await;
        *is_over = concluded.is_ok();
        match (answer, concluded) {
            (Ok(appended), concluded) => {
                if let Err(error) = concluded {
                    // What is stored stays stored.
                    tracing::warn!(%error, "the events of an append are stored; its entries change when they are next read or written");
                }
                Some(Ok(appended))
            }
            (Err(AppendError::EntryChanged { .. }), Ok(false)) => None,
            (Err(AppendError::EntryChanged { .. }), Ok(true)) => {
                let reason = "it was committed, and then tried again".to_owned();
                Some(Err(StoreError::OutcomeUnknown { reason }.into()))
            }
            (Err(error), _) => Some(Err(error)),
        }
    }

    /// Checks, locks and stages the entries of a transaction.
    async fn lock(&self, transaction: &Transaction) -> Result<(), EntryError> {
        loop {
            let locked = self.home().write_entries(transaction.lock.clone()).await;
            let Err(EntryError::Changed { key }) = locked else {
                return locked;
            };
            let Some(lock) = self.lock_before(&key).await? else {
                return Err(EntryError::Changed { key });
            };
            // A layer below may have written it twice.
            if self.holds(&transaction.holder).await? {
                return Ok(());
            }
            self.settle(&lock).await?;
        }
    }

    /// Appends the events of a transaction, if its outcome is this; then it is committed.
    async fn append_if(
        &self,
        transaction: &Transaction,
        append: &Append,
        expected: &[u8],
    ) -> Result<Appended, AppendError> {
        let holder = &transaction.holder;
        let outcome = holder.outcome();
        let write = EntryWrite::new()
            .expect(&outcome, Some(expected))
            .put(&outcome, COMMITTED);
        let append = append.clone().with_entries(write);
        self.shard(holder.shard)?.append(append).await
    }
}

const fn is_unknown(answer: &Result<Appended, AppendError>) -> bool {
    matches!(
        answer,
        Err(AppendError::Store(StoreError::OutcomeUnknown { .. }))
    )
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
