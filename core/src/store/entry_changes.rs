//! Changes of many entries, in one run of bytes.

use std::cmp::Ordering;
use std::fmt;

/// Changes of entries, in the order of keys: a new value, or `None` to remove the entry.
///
/// All keys and values are in one run of bytes, so that a change of ten thousand entries costs a few allocations, and
/// the store's writer reads it without a jump through memory for each.
///
/// ```
/// use midgard::store::EntryWrite;
///
/// let write = EntryWrite::new().put(b"b", b"2").remove(b"a");
/// let changes: Vec<_> = write.changes().iter().collect();
/// assert_eq!(changes, [(&b"a"[..], None), (b"b", Some(&b"2"[..]))]);
/// ```
#[derive(Clone, Default)]
pub struct EntryChanges {
    /// Each key, followed by its value.
    bytes: Vec<u8>,
    /// In the order of keys, one for each key.
    all: Vec<Change>,
}

/// The position of a change in the bytes.
#[derive(Clone, Copy)]
struct Change {
    start: usize,
    key: usize,
    /// `None` removes the entry.
    value: Option<usize>,
}

impl Change {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.key]
    }

    fn value(self, bytes: &[u8]) -> Option<&[u8]> {
        let start = self.start + self.key;
        self.value.map(|length| &bytes[start..start + length])
    }
}

impl EntryChanges {
    pub(super) const fn new() -> Self {
        EntryChanges {
            bytes: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Returns the number of changed entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether no entry is changed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the changes, in the order of keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], Option<&[u8]>)> {
        let bytes = self.bytes.as_slice();
        self.all
            .iter()
            .map(move |change| (change.key(bytes), change.value(bytes)))
    }

    /// Sets or removes one entry.
    pub(super) fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        let bytes = &self.bytes;
        let found = match self.all.last() {
            Some(last) if key <= last.key(bytes) => self
                .all
                .binary_search_by(|change| change.key(bytes).cmp(key)),
            _ => Err(self.all.len()),
        };
        let change = added(&mut self.bytes, key, value);
        match found {
            Ok(place) => self.all[place] = change,
            Err(place) => self.all.insert(place, change),
        }
    }
}

/// Adds a key and a value to the bytes.
fn added(bytes: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) -> Change {
    let start = bytes.len();
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value.unwrap_or_default());
    Change {
        start,
        key: key.len(),
        value: value.map(<[u8]>::len),
    }
}

/// Many changes in any order; they are sorted once.
#[derive(Default)]
pub(crate) struct UnsortedChanges {
    bytes: Vec<u8>,
    all: Vec<Unsorted>,
}

/// A change, and the first bytes of its key as a number that sorts as they do: most comparisons need no more.
struct Unsorted {
    first: u128,
    change: Change,
}

impl Unsorted {
    fn new(key: &[u8], change: Change) -> Self {
        let mut first = [0; 16];
        let length = key.len().min(16);
        first[..length].copy_from_slice(&key[..length]);
        Unsorted {
            first: u128::from_be_bytes(first),
            change,
        }
    }

    /// By key; of one key, the last change first.
    fn cmp(&self, other: &Self, bytes: &[u8]) -> Ordering {
        let (one, two) = (self.change, other.change);
        let first = self.first.cmp(&other.first);
        first
            .then_with(|| one.key(bytes).cmp(two.key(bytes)))
            .then_with(|| two.start.cmp(&one.start))
    }
}

impl UnsortedChanges {
    /// Sets or removes an entry. The last of several changes of one entry counts.
    pub(crate) fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let change = added(&mut self.bytes, key, value);
        self.all.push(Unsorted::new(key, change));
    }

    /// Sets an entry to the bytes that `write` appends.
    pub(crate) fn push_with<E>(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut change = added(&mut self.bytes, key, None);
        let start = self.bytes.len();
        write(&mut self.bytes)?;
        change.value = Some(self.bytes.len() - start);
        self.all.push(Unsorted::new(key, change));
        Ok(())
    }

    /// Returns the changes in the order of keys.
    pub(crate) fn sorted(mut self) -> EntryChanges {
        let bytes = &self.bytes;
        self.all
            .sort_unstable_by(|one, other| one.cmp(other, bytes));
        let mut all: Vec<_> = self.all.iter().map(|unsorted| unsorted.change).collect();
        all.dedup_by(|one, kept| one.key(bytes) == kept.key(bytes));
        EntryChanges {
            bytes: self.bytes,
            all,
        }
    }
}

impl PartialEq for EntryChanges {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for EntryChanges {}

impl fmt::Debug for EntryChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let changes = self.iter().map(|(key, value)| (text(key), value.map(text)));
        f.debug_map().entries(changes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Keys that begin with each other and come again, with values of all lengths.
    fn some() -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut number = 7_u32;
        let mut next = |end: u32| {
            number = number.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (number >> 16) % end
        };
        let mut change = || {
            let key = (0..=next(3)).map(|_| next(3) as u8).collect();
            let value = (next(3) > 0).then(|| vec![next(256) as u8; next(5) as usize]);
            (key, value)
        };
        (0..200).map(|_| change()).collect()
    }

    #[test]
    fn changes_one_by_one_or_all_at_once_are_those_of_an_ordered_map() {
        let (mut by_one, mut unsorted) = (EntryChanges::new(), UnsortedChanges::default());
        let mut model = BTreeMap::new();
        for (key, value) in some() {
            by_one.set(&key, value.as_deref());
            unsorted.push(&key, value.as_deref());
            model.insert(key, value);
        }
        let at_once = unsorted.sorted();
        let wanted: Vec<_> = model
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
            .collect();
        assert_eq!(by_one.iter().collect::<Vec<_>>(), wanted);
        assert_eq!(at_once.iter().collect::<Vec<_>>(), wanted);
        assert!(by_one == at_once && by_one.len() == model.len());
    }

    #[test]
    fn a_value_that_could_not_be_written_changes_nothing() {
        let mut changes = UnsortedChanges::default();
        changes.push(b"a", Some(b"1"));
        let refused = changes.push_with(b"a", |bytes| {
            bytes.extend_from_slice(b"half of a va");
            Err("too long")
        });
        assert_eq!(refused, Err("too long"));
        changes.push(b"b", Some(b"2"));
        let changes = changes.sorted();
        let all: Vec<_> = changes.iter().collect();
        assert_eq!(all, [(&b"a"[..], Some(&b"1"[..])), (b"b", Some(b"2"))]);
    }
}
