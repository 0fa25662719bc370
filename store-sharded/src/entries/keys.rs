//! The entries that a sharded store keeps for itself. No user sees them.

use super::transaction::TransactionId;
use midgard::store::EntryWrite;
use xxhash_rust::xxh3::xxh3_64;

/// The prefix of all of them.
pub(crate) const RESERVED: &[u8] = b"\0midgard.sharded/";
/// What a shard is.
pub(crate) const ABOUT: &[u8] = b"\0midgard.sharded/about";
/// That all shards are written down, in the first of them.
pub(crate) const COMPLETE: &[u8] = b"\0midgard.sharded/complete";
/// The prefix of locks, in the shard of entries.
pub(super) const LOCKS: &[u8] = b"\0midgard.sharded/lock/";
const STAGED: &[u8] = b"\0midgard.sharded/staged/";
/// The prefix of the outcomes of transactions, in the shards of their events.
pub(super) const OUTCOMES: &[u8] = b"\0midgard.sharded/outcome/";

/// The lock of some entries: all keys of one hash share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket(pub(super) u8);

impl Bucket {
    pub(super) fn of(key: &[u8]) -> Self {
        Bucket(xxh3_64(key) as u8)
    }

    /// Returns the buckets of all keys that a write changes or expects.
    pub(super) fn all_of(write: &EntryWrite) -> Vec<Bucket> {
        let changed = write.changes().iter().map(|(key, _)| key);
        let keys = write.expected().keys().map(Vec::as_slice).chain(changed);
        let mut is_used = [false; 256];
        for key in keys {
            is_used[usize::from(Bucket::of(key).0)] = true;
        }
        let buckets = (0..=u8::MAX).filter(|bucket| is_used[usize::from(*bucket)]);
        buckets.map(Bucket).collect()
    }

    /// Returns the key of its lock.
    pub(super) fn lock(self) -> Vec<u8> {
        [LOCKS, &[self.0]].concat()
    }
}

/// Returns the key of a transaction's outcome, in the shard of its events.
pub(super) fn outcome(id: TransactionId) -> Vec<u8> {
    [OUTCOMES, &id.0].concat()
}

/// Returns the prefix of a transaction's changes, in the shard of entries.
pub(super) fn staged_all(id: TransactionId) -> Vec<u8> {
    [STAGED, &id.0].concat()
}

/// Returns the key of a part of a transaction's changes, in the shard of entries.
pub(super) fn staged(id: TransactionId, number: usize) -> Vec<u8> {
    let number = (number as u32).to_be_bytes();
    [STAGED, &id.0, &number].concat()
}

#[cfg(test)]
mod tests {
    use super::Bucket;

    #[test]
    fn entries_stay_in_their_buckets_forever() {
        let buckets = [
            b"a".as_slice(),
            b"projection/orders/about",
            b"\0",
            &[7; 500],
        ];
        assert_eq!(buckets.map(|key| Bucket::of(key).0), [31, 87, 219, 85]);
    }
}
