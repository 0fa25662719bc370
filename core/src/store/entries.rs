//! Small values that a store keeps alongside its events: checkpoints, leases, dead letters, rows of views.

use super::entry_changes::EntryChanges;
use super::{Direction, Store};
use crate::limits::{self, LimitError, Limited};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// The callback of a read of entries, called with each key and value; `Break` ends the read.
pub type VisitEntry<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + Send + 'a;

/// The callback of a scan of a snapshot, called with each key and value; `Break` ends the scan.
pub type ScanEntry<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Keys between two bounds, the lower first.
pub type KeyRange<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A read of entries, in the order of their keys' bytes.
///
/// ```
/// use midgard::store::ReadEntries;
///
/// let read = ReadEntries::prefix(b"checkpoint/").after(b"checkpoint/mailer").limit(10);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadEntries {
    /// The lower bound of the keys.
    pub from: Bound<Vec<u8>>,
    /// The upper bound of the keys.
    pub to: Bound<Vec<u8>>,
    /// The most entries to read.
    pub limit: usize,
}

impl ReadEntries {
    /// Reads one entry.
    #[must_use]
    pub fn key(key: &[u8]) -> Self {
        ReadEntries {
            from: Bound::Included(key.to_vec()),
            to: Bound::Included(key.to_vec()),
            limit: 1,
        }
    }

    /// Reads all entries whose key begins with a prefix; an empty prefix selects all entries.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        ReadEntries {
            from: Bound::Included(prefix.to_vec()),
            to: after_prefix(prefix),
            limit: usize::MAX,
        }
    }

    /// Starts after this key, the last one that the reader has seen.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        self.from = Bound::Excluded(key.to_vec());
        self
    }

    /// Reads at most this many entries.
    #[must_use]
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the range of keys; `None` when no key can be in it.
    #[must_use]
    pub fn range(&self) -> Option<KeyRange<'_>> {
        let (from, to) = (
            self.from.as_ref().map(Vec::as_slice),
            self.to.as_ref().map(Vec::as_slice),
        );
        range_of(from, to)
    }
}

/// Returns the upper bound of all keys that begin with `prefix`.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Bound<Vec<u8>> {
    match prefix.iter().rposition(|byte| *byte != u8::MAX) {
        Some(last) => {
            let mut end = prefix[..=last].to_vec();
            end[last] += 1;
            Bound::Excluded(end)
        }
        None => Bound::Unbounded,
    }
}

/// Returns a range that maps accept without a panic; `None` when nothing can be in it.
#[must_use]
pub fn range_of<'a>(from: Bound<&'a [u8]>, to: Bound<&'a [u8]>) -> Option<KeyRange<'a>> {
    let is_empty = match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to))
        | (Bound::Excluded(from), Bound::Included(to)) => from >= to,
        _ => false,
    };
    (!is_empty).then_some((from, to))
}

/// A change of entries, all or nothing: it is made only if all expected entries are as expected.
///
/// ```
/// use midgard::store::EntryWrite;
///
/// let write = EntryWrite::new()
///     .expect(b"checkpoint/mailer", Some(b"7"))
///     .put(b"checkpoint/mailer", b"8")
///     .remove(b"letter/mailer/8");
/// assert_eq!(write.changes().len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryWrite {
    expected: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    changes: EntryChanges,
}

impl EntryWrite {
    /// Creates an empty change.
    #[must_use]
    pub const fn new() -> Self {
        EntryWrite {
            expected: BTreeMap::new(),
            changes: EntryChanges::new(),
        }
    }

    /// Expects an entry to have this value, or (`None`) to be absent. A later expectation of the same entry replaces
    /// it.
    #[must_use]
    pub fn expect(mut self, key: &[u8], value: Option<&[u8]>) -> Self {
        self.expected
            .insert(key.to_vec(), value.map(<[u8]>::to_vec));
        self
    }

    /// Sets an entry.
    #[must_use]
    pub fn put(mut self, key: &[u8], value: &[u8]) -> Self {
        self.changes.set(key, Some(value));
        self
    }

    /// Removes an entry; an absent entry is not an error.
    #[must_use]
    pub fn remove(mut self, key: &[u8]) -> Self {
        self.changes.set(key, None);
        self
    }

    /// Sets or removes an entry, in place. Cheapest in the order of keys.
    #[allow(clippy::needless_pass_by_value)]
    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.changes.set(&key, value.as_deref());
    }

    /// Creates a change of many entries, without expectations.
    pub(crate) const fn of(changes: EntryChanges) -> Self {
        EntryWrite {
            expected: BTreeMap::new(),
            changes,
        }
    }

    /// Checks all limits. Every store calls it before it accepts a change.
    ///
    /// # Errors
    /// [`LimitError`] names the value that is empty or too long, and the limit.
    pub fn check_limits(&self) -> Result<(), LimitError> {
        let entries = self.expected.len() + self.changes.len();
        limits::check_size(Limited::Entries, limits::ENTRIES_PER_WRITE, entries)?;
        let expected = self.expected.iter();
        let expected = expected.map(|(key, value)| (key.as_slice(), value.as_deref()));
        for (key, _) in expected.chain(self.changes.iter()) {
            if key.is_empty() {
                return Err(LimitError::Empty(Limited::EntryKey));
            }
            limits::check_size(Limited::EntryKey, limits::ENTRY_KEY_BYTES, key.len())?;
        }
        let mut values = self.changes.iter().filter_map(|(_, value)| value);
        values.try_for_each(|value| {
            limits::check_size(Limited::EntryValue, limits::ENTRY_VALUE_BYTES, value.len())
        })?;
        limits::check_size(Limited::EntryWrite, limits::ENTRY_WRITE_BYTES, self.bytes())
    }

    /// Returns the bytes of all keys and values that are changed or expected, limited by
    /// [`ENTRY_WRITE_BYTES`](limits::ENTRY_WRITE_BYTES).
    #[must_use]
    pub fn bytes(&self) -> usize {
        let expected = self.expected.iter();
        let expected = expected.map(|(key, value)| (key.as_slice(), value.as_deref()));
        let entries = expected.chain(self.changes.iter());
        entries
            .map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len))
            .sum()
    }

    /// Returns the expected entries, in the order of keys.
    #[must_use]
    pub const fn expected(&self) -> &BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        &self.expected
    }

    /// Returns the changed entries, in the order of keys; `None` removes one.
    #[must_use]
    pub const fn changes(&self) -> &EntryChanges {
        &self.changes
    }

    /// Returns the expectations and the changes, as maps.
    #[must_use]
    #[allow(clippy::type_complexity)]
    pub fn into_parts(
        self,
    ) -> (
        BTreeMap<Vec<u8>, Option<Vec<u8>>>,
        BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    ) {
        let owned =
            |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        let changes = self.changes.iter().map(owned).collect();
        (self.expected, changes)
    }
}

/// A store whose entries can be read in place, in a snapshot. It can hold views.
pub trait EmbeddedStore: Store {
    /// Takes a snapshot of the entries. They stay the same as long as the snapshot is held, whatever is written.
    ///
    /// Hold a snapshot only briefly: it keeps pages from being reused, and operations that need the store alone (such
    /// as growing its map) wait for it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError>;
}

/// Entries as they were at one moment.
pub trait EntrySnapshot: Send {
    /// Returns the value of an entry.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError>;

    /// Calls `visit` with the entries between two keys, in ascending or descending order of keys.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
        visit: &mut ScanEntry<'_>,
    ) -> Result<(), StoreError>;
}
