//! A transaction over the shard of entries and the shard of the events.

use super::keys::{Bucket, outcome, staged};
use midgard::store::{EntryWrite, StoreError};

/// The outcome of a transaction that may still be aborted.
pub(super) const UNDECIDED: &[u8] = b"undecided";
/// The outcome of one whose events are appended.
pub(super) const COMMITTED: &[u8] = b"committed";
/// How many bytes of staged changes one entry has.
const CHUNK: usize = 8 << 20;

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
    /// How often the append has begun anew.
    pub(super) attempt: u8,
    /// All of its locks.
    pub(super) buckets: Vec<Bucket>,
}

impl Holder {
    pub(super) fn encode(&self) -> Vec<u8> {
        let shard = (self.shard as u32).to_be_bytes();
        let buckets = self.buckets.iter().map(|bucket| bucket.0);
        let fixed = self.id.0.into_iter().chain(shard).chain([self.attempt]);
        fixed.chain(buckets).collect()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let parts = bytes.split_first_chunk::<16>();
        let parts = parts.and_then(|(id, rest)| Some((id, rest.split_first_chunk::<5>()?)));
        let (id, ([shard @ .., attempt], buckets)) =
            parts.ok_or_else(|| unreadable("a lock of entries"))?;
        Ok(Holder {
            id: TransactionId(*id),
            shard: u32::from_be_bytes(*shard) as usize,
            attempt: *attempt,
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
        cause: format!("{what} is damaged, or of a newer release; run the newer release, or restore all shards from a backup").into(),
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
    /// Makes up the transaction of a change of entries with events in this shard, which has begun anew so often.
    ///
    /// # Errors
    /// When there are too many or too large entries for one write of the shard of entries.
    pub(super) fn new(entries: &EntryWrite, shard: usize, attempt: u8) -> Result<Self, StoreError> {
        let holder = Holder {
            id: TransactionId::new()?,
            shard,
            attempt,
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
        for (number, chunk) in encode_changes(entries).chunks(CHUNK).enumerate() {
            let key = staged(holder.id, number);
            lock = lock.put(&key, chunk);
            keys.push(key);
        }
        let undo = holder.release(keys);
        let mut apply = undo.clone();
        for (key, value) in entries.changes().iter() {
            apply.set(key.to_vec(), value.map(<[u8]>::to_vec));
        }
        lock.check_limits()?;
        apply.check_limits()?;
        Ok(Transaction {
            holder,
            lock,
            apply,
            undo,
        })
    }
}

/// Writes changes down: for each the length of its key and the key, and the length of its value, plus one, and the value; 0
/// when the entry is removed.
fn encode_changes(entries: &EntryWrite) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.bytes());
    for (key, value) in entries.changes().iter() {
        bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
        bytes.extend_from_slice(key);
        let length = value.map_or(0, |value| value.len() as u32 + 1);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(value.unwrap_or_default());
    }
    bytes
}

/// Adds changes that were written down to a write; `None` where they are not whole.
pub(super) fn add_changes(mut bytes: &[u8], write: &mut EntryWrite) -> Option<()> {
    fn number(bytes: &mut &[u8]) -> Option<usize> {
        let (number, rest) = bytes.split_first_chunk::<4>()?;
        *bytes = rest;
        Some(u32::from_be_bytes(*number) as usize)
    }
    while !bytes.is_empty() {
        let length = number(&mut bytes)?;
        let (key, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        let value = match number(&mut bytes)?.checked_sub(1) {
            None => None,
            Some(length) => {
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Some(value.to_vec())
            }
        };
        write.set(key.to_vec(), value);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_says_who_holds_it() {
        let holder = Holder {
            id: TransactionId([7; 16]),
            shard: 70_000,
            attempt: 3,
            buckets: vec![Bucket(0), Bucket(255)],
        };
        assert_eq!(Holder::parse(&holder.encode()).unwrap(), holder);
        for length in 0..21 {
            let half = &holder.encode()[..length];
            assert!(Holder::parse(half).is_err(), "{length}");
        }
    }

    #[test]
    fn changes_come_back_as_they_were_and_half_of_them_is_noticed() {
        let write = EntryWrite::new()
            .put(b"a", b"1")
            .remove(b"b")
            .put(b"c", b"")
            .put(b"d", &[7; 300]);
        let bytes = encode_changes(&write);
        let mut again = EntryWrite::new();
        add_changes(&bytes, &mut again).unwrap();
        assert_eq!(again, write);
        let whole = [0, 10, 19, 28].map(|end| &bytes[..end]);
        for length in 0..bytes.len() {
            let half = &bytes[..length];
            let read = add_changes(half, &mut EntryWrite::new());
            assert_eq!(read.is_some(), whole.contains(&half), "{length}");
        }
    }
}
