//! Entries: small values alongside the events, in a database of their own.

use crate::Shared;
use crate::databases::Entries;
use crate::environment::{self, Environment};
use crate::error::backend;
use crate::reader::Batch;
use heed::RwTxn;
use midgard::limits::ENTRY_KEY_BYTES;
use midgard::store::{Direction, StoreError};
use midgard::store::{
    EntrySnapshot, EntryWrite, KeyRange, ReadEntries, ScanEntry, VisitEntry, range_of,
};
use std::ops::Bound;
use std::sync::Arc;

/// Returns a range that LMDB can search; `None` when it is empty. There is no empty key, and LMDB refuses to search
/// for one.
fn range_to_look_for<'a>(from: Bound<&'a [u8]>, to: Bound<&'a [u8]>) -> Option<KeyRange<'a>> {
    let (from, to) = range_of(from, to)?;
    let from = match from {
        Bound::Included([]) | Bound::Excluded([]) => Bound::Unbounded,
        from => from,
    };
    match to {
        Bound::Included([]) | Bound::Excluded([]) => None,
        to => Some((from, to)),
    }
}

/// Reads entries, in bounded batches.
pub(crate) fn read(
    environment: &Environment,
    read: &ReadEntries,
    visit: &mut VisitEntry<'_>,
) -> Result<(), StoreError> {
    let to = read.to.as_ref().map(Vec::as_slice);
    let mut from = read.from.clone();
    let mut left = read.limit;
    let mut done = left == 0;
    while !done {
        done = environment.read(|databases, transaction| {
            let Some(range) = range_to_look_for(from.as_ref().map(Vec::as_slice), to) else {
                return Ok(true);
            };
            let failed = backend("read entries");
            let mut batch = Batch::new();
            let mut last = None;
            for entry in databases
                .entries
                .range(transaction, &range)
                .map_err(&failed)?
            {
                let (key, value) = entry.map_err(&failed)?;
                check_order(last.replace(key), key, Direction::Forward)?;
                left -= 1;
                batch.add(key.len() + value.len());
                if visit(key, value).is_break() || left == 0 {
                    return Ok(true);
                }
                if batch.is_full() {
                    from = Bound::Excluded(key.to_vec());
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
    }
    Ok(())
}

/// Makes the changes, whatever was expected of the entries, and returns about how many bytes were written.
pub(crate) fn change(
    entries: &Entries,
    transaction: &mut RwTxn<'_>,
    write: &EntryWrite,
) -> heed::Result<usize> {
    let mut bytes = 0;
    for (key, value) in write.changes().iter() {
        match value {
            Some(value) => {
                bytes += key.len() + value.len();
                entries.put(transaction, key, value)?;
            }
            None => {
                entries.delete(transaction, key)?;
            }
        }
    }
    Ok(bytes)
}

/// Entries as they were when the snapshot was taken.
pub(crate) struct Snapshot {
    // Dropped before the store may be closed.
    snapshot: environment::Snapshot,
    store: Arc<Shared>,
}

impl Snapshot {
    pub(crate) fn new(store: Arc<Shared>) -> Result<Self, StoreError> {
        Ok(Snapshot {
            snapshot: store.environment.snapshot()?,
            store,
        })
    }
}

impl EntrySnapshot for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        // No entry has such a key, and LMDB would return an error.
        if key.is_empty() || key.len() > ENTRY_KEY_BYTES {
            return Ok(None);
        }
        self.store.environment.files().refuse_others()?;
        let environment::Snapshot {
            transaction,
            databases,
            ..
        } = &self.snapshot;
        databases
            .entries
            .get(transaction, key)
            .map_err(backend("read an entry"))
    }

    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
        visit: &mut ScanEntry<'_>,
    ) -> Result<(), StoreError> {
        let Some(range) = range_to_look_for(from, to) else {
            return Ok(());
        };
        self.store.environment.files().refuse_others()?;
        let failed = backend("read entries");
        let environment::Snapshot {
            transaction,
            databases,
            ..
        } = &self.snapshot;
        match direction {
            Direction::Forward => {
                let entries = databases.entries.range(transaction, &range);
                visit_all(entries.map_err(failed)?, direction, visit)
            }
            Direction::Backward => {
                let entries = databases.entries.rev_range(transaction, &range);
                visit_all(entries.map_err(failed)?, direction, visit)
            }
        }
    }
}

fn visit_all<'t>(
    entries: impl Iterator<Item = heed::Result<(&'t [u8], &'t [u8])>>,
    direction: Direction,
    visit: &mut ScanEntry<'_>,
) -> Result<(), StoreError> {
    let mut last = None;
    for entry in entries {
        let (key, value) = entry.map_err(backend("read entries"))?;
        check_order(last.replace(key), key, direction)?;
        if visit(key, value).is_break() {
            break;
        }
    }
    Ok(())
}

/// Returns an error where an entry does not come behind the last one: a damaged page of LMDB may lead anywhere, and a
/// page of zeros reads as thousands of millions of entries without keys.
fn check_order(last: Option<&[u8]>, key: &[u8], direction: Direction) -> Result<(), StoreError> {
    let is_in_order = last.is_none_or(|last| match direction {
        Direction::Forward => last < key,
        Direction::Backward => last > key,
    });
    if is_in_order && !key.is_empty() {
        return Ok(());
    }
    let last = last.unwrap_or_default().escape_ascii().to_string();
    Err(StoreError::Backend {
        action: "read entries",
        cause: format!(
            "what comes next to the entry \"{last}\" is damaged; restore the store from a backup"
        )
        .into(),
    })
}
