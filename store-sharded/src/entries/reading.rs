//! Reads of entries.

use super::keys::{Bucket, LOCKS, RESERVED};
use super::transaction::{COMMITTED, Holder};
use crate::store::Shards;
use midgard::Store;
use midgard::store::{ReadEntries, StoreError, VisitEntry, after_prefix};
use std::collections::HashSet;
use std::ops::{Bound, ControlFlow};

/// Returns the value of an entry.
pub(crate) async fn get<S: Store>(store: &S, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let mut value = None;
    let each = &mut |_: &[u8], found: &[u8]| {
        value = Some(found.to_vec());
        ControlFlow::Break(())
    };
    store.read_entries(&ReadEntries::key(key), each).await?;
    Ok(value)
}

/// Returns the entries whose keys begin with a prefix.
pub(super) async fn all<S: Store>(
    store: &S,
    prefix: &[u8],
) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
    let mut entries = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    };
    store
        .read_entries(&ReadEntries::prefix(prefix), each)
        .await?;
    Ok(entries)
}

impl<S: Store> Shards<S> {
    /// Reads entries, after what was committed and not yet done is done.
    pub(crate) async fn read_entries(
        &self,
        read: &ReadEntries,
        visit: &mut VisitEntry<'_>,
    ) -> Result<(), StoreError> {
        let completed = self.complete_for(read).await;
        completed.map_err(|error| StoreError::Backend {
            action: "complete an append whose entries are read",
            cause: Box::new(error),
        })?;
        if !meets_reserved(read) {
            return self.home().read_entries(read, visit).await;
        }
        let mut left = read.limit;
        for mut part in around_reserved(read) {
            part.limit = left;
            let mut each = |key: &[u8], value: &[u8]| {
                let flow = visit(key, value);
                left = if flow.is_break() { 0 } else { left - 1 };
                flow
            };
            self.home().read_entries(&part, &mut each).await?;
        }
        Ok(())
    }

    /// Completes committed transactions that may concern what is read. Those that are undecided are not: they come after the
    /// read.
    async fn complete_for(&self, read: &ReadEntries) -> Result<(), StoreError> {
        let locks = match only_key(read) {
            Some(key) => {
                let lock = get(self.home(), &Bucket::of(key).lock()).await?;
                lock.into_iter().collect()
            }
            None => {
                let locks = all(self.home(), LOCKS).await?;
                locks
                    .into_iter()
                    .map(|(_, lock)| lock)
                    .collect::<HashSet<_>>()
            }
        };
        for lock in locks {
            let holder = Holder::parse(&lock)?;
            if self.outcome(&holder).await?.as_deref() == Some(COMMITTED) {
                self.complete(&holder).await?;
            }
        }
        Ok(())
    }
}

/// Returns the key of a read of one.
fn only_key(read: &ReadEntries) -> Option<&[u8]> {
    match (&read.from, &read.to) {
        (Bound::Included(from), Bound::Included(to)) if from == to => Some(from),
        _ => None,
    }
}

/// Returns whether a read may meet the entries of the sharded store itself.
fn meets_reserved(read: &ReadEntries) -> bool {
    let Bound::Excluded(end) = after_prefix(RESERVED) else {
        return true;
    };
    is_above(&read.to, RESERVED) && is_below(&read.from, &end)
}

/// Splits a read in two that leave out the entries of the sharded store itself.
fn around_reserved(read: &ReadEntries) -> impl Iterator<Item = ReadEntries> {
    let before = {
        let mut part = read.clone();
        if is_above(&part.to, RESERVED) {
            part.to = Bound::Excluded(RESERVED.to_vec());
        }
        part
    };
    let after = {
        let mut part = read.clone();
        if let Bound::Excluded(end) = after_prefix(RESERVED)
            && is_below(&part.from, &end)
        {
            part.from = Bound::Included(end);
        }
        part
    };
    // Where one of the two is empty, the store sees that by itself.
    [before, after].into_iter()
}

fn is_above(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(bound) => bound.as_slice() >= key,
        Bound::Excluded(bound) => bound.as_slice() > key,
        Bound::Unbounded => true,
    }
}

fn is_below(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(bound) | Bound::Excluded(bound) => bound.as_slice() < key,
        Bound::Unbounded => true,
    }
}
