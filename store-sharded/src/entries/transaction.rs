//! A transaction over the shard of entries and the shard of the events.

use super::keys::{Bucket, outcome, staged};
use midgard::limits::LimitError;
use midgard::store::{EntryWrite, StoreError};

/// The outcome of a transaction that may still be aborted.
pub(super) const UNDECIDED: &[u8] = b"undecided";
/// The outcome of one whose events are appended.
pub(super) const COMMITTED: &[u8] = b"committed";
/// The part of a staged change that is its key; it begins with whether there is a new value.
pub(super) const KEY: u8 = 0;
/// The part that is its new value.
pub(super) const VALUE: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TransactionId(pub(super) [u8; 16]);

impl TransactionId {
    fn new() -> Result<Self, StoreError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| StoreError::Backend {
            action: "draw the id of a transaction",
            cause: Box::new(error),
        })?;
        Ok(TransactionId(id))
    }
}

/// The value of a lock: the transaction that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) id: TransactionId,
    /// The shard of its events.
    pub(super) shard: usize,
    /// All of its locks.
    pub(super) buckets: Vec<Bucket>,
}

impl Holder {
    pub(super) fn encode(&self) -> Vec<u8> {
        let shard = (self.shard as u32).to_be_bytes();
        let buckets = self.buckets.iter().map(|bucket| bucket.0);
        let fixed = self.id.0.into_iter().chain(shard);
        fixed.chain(buckets).collect()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let parts = bytes.split_first_chunk::<16>();
        let parts = parts.and_then(|(id, rest)| Some((id, rest.split_first_chunk::<4>()?)));
        let (id, (shard, buckets)) = parts.ok_or_else(|| unreadable("a lock of entries"))?;
        Ok(Holder {
            id: TransactionId(*id),
            shard: u32::from_be_bytes(*shard) as usize,
            buckets: buckets.iter().copied().map(Bucket).collect(),
        })
    }

    pub(super) fn outcome(&self) -> Vec<u8> {
        outcome(self.id)
    }

    /// Returns the write that removes its locks and what it has staged, if it still has them.
    pub(super) fn release(&self, staged: impl IntoIterator<Item = Vec<u8>>) -> EntryWrite {
        let holder = self.encode();
        let mut write = EntryWrite::new();
        for bucket in &self.buckets {
            let lock = bucket.lock();
            write = write.expect(&lock, Some(&holder)).remove(&lock);
        }
        for key in staged {
            write.set(key, None);
        }
        write
    }
}

pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Backend {
        action: "read what a sharded store has written down",
        cause: format!("{what} is damaged, or of a newer release; run the newer release, or restore the shard of entries from a backup").into(),
    }
}

/// The writes of a transaction, all made up beforehand: what is begun can be ended.
pub(super) struct Transaction {
    pub(super) holder: Holder,
    /// Checks, locks and stages.
    pub(super) lock: EntryWrite,
    /// Does what is staged, and releases.
    pub(super) apply: EntryWrite,
    /// Releases, and nothing else.
    pub(super) undo: EntryWrite,
}

impl Transaction {
    /// Makes up the transaction of a change of entries with events in this shard.
    ///
    /// # Errors
    /// [`LimitError`], when there are too many or too large entries for one write of the shard.
    pub(super) fn new(entries: &EntryWrite, shard: usize) -> Result<Self, StoreError> {
        let holder = Holder {
            id: TransactionId::new()?,
            shard,
            buckets: Bucket::all_of(entries),
        };
        let mut lock = EntryWrite::new();
        for (key, value) in entries.expected() {
            lock = lock.expect(key, value.as_deref());
        }
        let value = holder.encode();
        for bucket in &holder.buckets {
            let key = bucket.lock();
            lock = lock.expect(&key, None).put(&key, &value);
        }
        let mut keys = Vec::new();
        for (number, (key, value)) in entries.changes().iter().enumerate() {
            let change = [&[u8::from(value.is_some())], key].concat();
            keys.push(staged(holder.id, number, KEY));
            lock = lock.put(&keys[keys.len() - 1], &change);
            if let Some(value) = value {
                keys.push(staged(holder.id, number, VALUE));
                lock = lock.put(&keys[keys.len() - 1], value);
            }
        }
        let undo = holder.release(keys);
        let mut apply = undo.clone();
        for (key, value) in entries.changes().iter() {
            apply.set(key.to_vec(), value.map(<[u8]>::to_vec));
        }
        let checked: Result<(), LimitError> =
            lock.check_limits().and_then(|()| apply.check_limits());
        checked?;
        Ok(Transaction {
            holder,
            lock,
            apply,
            undo,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_who_holds_it() {
        let holder = Holder {
            id: TransactionId([7; 16]),
            shard: 70_000,
            buckets: vec![Bucket(0), Bucket(255)],
        };
        assert_eq!(Holder::parse(&holder.encode()).unwrap(), holder);
        for length in 0..20 {
            let half = &holder.encode()[..length];
            assert!(Holder::parse(half).is_err(), "{length}");
        }
    }
}
