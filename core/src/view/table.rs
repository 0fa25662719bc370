//! The rows of one view that a transaction has read or changed.

use super::database::{NewRow, RowChange};
use super::index_values::{Value, next_value, push_index_values};
use super::key::KeyBytes;
use super::layout::{self, KEY_BYTES};
use super::lookup::KeyOf;
use super::read_back::ReadBack;
use super::rows::Rows;
use super::scan::TableReader;
use super::{View, ViewError, show};
use crate::limits::ENTRY_VALUE_BYTES;
use crate::store::EntrySnapshot;
use crate::store::entry_changes::UnsortedChanges;
use std::any::Any;
use std::collections::HashMap;
use std::marker::PhantomData;

/// The rows of one view that a transaction has read or changed.
pub(super) struct Table<V> {
    pub(super) number: u32,
    /// Whether a row that is put is read first, so that the entries of its indexes are known.
    reads_before: bool,
    rows: Rows<Row<V>>,
    /// The values of changed rows in all indexes, each after its length: as they were before the first change,
    /// and at each check of unique indexes.
    values: Vec<u8>,
    /// The places of rows that were changed since the last check.
    changed: Vec<usize>,
    read_back: ReadBack,
    unique: Unique,
    key: KeyBytes,
    value: KeyBytes,
    entry: Vec<u8>,
}

struct Row<V> {
    /// Whether the store has a row. If so, its values in indexes begin here once it is changed.
    before: Option<usize>,
    now: Option<V>,
    is_changed: bool,
    /// Where its values begin, as they were at the last check of unique indexes.
    looked_at: Option<usize>,
}

/// Values that only one row may have. They are checked after each event, so that an event is refused or not, whatever
/// else is in its transaction. Within an event, rows may swap their values.
#[derive(Default)]
struct Unique {
    /// The row that has a value, by the entry of the value; `None` when a row has given it up.
    holders: HashMap<Vec<u8>, Option<usize>>,
}

impl<V: View> Table<V> {
    const IS_UNIQUE: bool = {
        let (mut index, mut is_unique) = (0, false);
        while index < V::INDEXES.len() {
            is_unique |= V::INDEXES[index].unique;
            index += 1;
        }
        is_unique
    };

    pub(super) fn new(number: u32, reads_before: bool) -> Self {
        Table {
            number,
            reads_before: Self::IS_UNIQUE || (reads_before && !V::INDEXES.is_empty()),
            rows: Rows::new(),
            values: Vec::new(),
            changed: Vec::new(),
            read_back: ReadBack::default(),
            unique: Unique::default(),
            key: KeyBytes::new(),
            value: KeyBytes::new(),
            entry: Vec::new(),
        }
    }

    pub(super) fn reader<'a>(&self, entries: &'a dyn EntrySnapshot) -> TableReader<'a, V> {
        TableReader {
            entries,
            table: self.number,
            view: PhantomData,
        }
    }

    /// Returns the place of a key's row, and reads the row if it is not known yet.
    pub(super) fn place(
        &mut self,
        entries: &dyn EntrySnapshot,
        key: &impl KeyOf<V::Key>,
    ) -> Result<usize, ViewError> {
        self.key.clear();
        key.encode_key(V::KEY.encode, &mut self.key);
        let key = self.key.as_bytes();
        let vacant = match self.rows.find(key) {
            Ok(place) => return Ok(place),
            Err(vacant) => vacant,
        };
        let now = self.reader(entries).get(key, &mut self.entry)?;
        let row = Row {
            before: now.is_some().then_some(0),
            now,
            is_changed: false,
            looked_at: None,
        };
        Ok(self.rows.insert(vacant, key, row))
    }

    pub(super) fn row(&self, place: usize) -> Option<&V> {
        self.rows.get(place).and_then(|row| row.now.as_ref())
    }

    /// Returns the row at a place, to change it.
    pub(super) fn change(&mut self, place: usize) -> Option<&mut Option<V>> {
        let row = self.rows.get_mut(place)?;
        if !row.is_changed {
            row.is_changed = true;
            if let (Some(before), Some(now)) = (&mut row.before, &row.now) {
                *before = push_index_values(&mut self.values, now, &mut self.value);
                row.looked_at = Some(*before);
            }
        }
        self.changed.push(place);
        Some(&mut row.now)
    }

    pub(super) fn put(&mut self, entries: &dyn EntrySnapshot, row: V) -> Result<(), ViewError> {
        self.key.clear();
        row.encode_key(&mut self.key);
        check_lengths(&row, self.key.len(), &mut self.value)?;
        let vacant = match self.rows.find(self.key.as_bytes()) {
            Ok(place) => {
                if let Some(now) = self.change(place) {
                    *now = Some(row);
                }
                return Ok(());
            }
            Err(vacant) => vacant,
        };
        let key = self.key.as_bytes();
        // Without indexes, it does not matter whether the store has a row.
        let (before, looked_at) = if !self.reads_before {
            (Some(0), None)
        } else {
            let before = self.reader(entries).get(key, &mut self.entry)?;
            let before =
                before.map(|before| push_index_values(&mut self.values, &before, &mut self.value));
            (before, before)
        };
        let row = Row {
            before,
            now: Some(row),
            is_changed: true,
            looked_at,
        };
        let place = self.rows.insert(vacant, key, row);
        self.changed.push(place);
        Ok(())
    }

    /// Checks a row that was changed in place, whose key was encoded last.
    pub(super) fn check(&mut self, place: usize) -> Result<(), ViewError> {
        let Some(row) = self.rows.get(place).and_then(|row| row.now.as_ref()) else {
            return Ok(());
        };
        self.value.clear();
        row.encode_key(&mut self.value);
        if self.value != self.key {
            return Err(ViewError::KeyChanged {
                view: V::NAME,
                before: show::key::<V>(self.key.as_bytes()),
                after: show::key::<V>(self.value.as_bytes()),
            });
        }
        check_lengths(row, self.key.len(), &mut self.value)
    }

    /// Returns whether the row of a key was changed: the stored one is then outdated.
    pub(super) fn is_changed(&self, key: &[u8]) -> bool {
        let row = self.rows.find(key).ok();
        let row = row.and_then(|place| self.rows.get(place));
        row.is_some_and(|row| row.is_changed)
    }

    /// Returns the rows that were changed and not removed, with their keys.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&[u8], &V)> {
        let changed = self.rows.iter().filter(|(_, row)| row.is_changed);
        changed.filter_map(|(key, row)| Some((key, row.now.as_ref()?)))
    }

    /// Checks that no row changed since the last check shares a value of a unique index with another row.
    fn check_unique(&mut self, entries: &dyn EntrySnapshot) -> Result<(), ViewError> {
        let mut claims = Vec::new();
        for place in &self.changed {
            let Some(row) = self.rows.get_mut(*place) else {
                continue;
            };
            let now = row.now.as_ref();
            let now = now.map(|now| push_index_values(&mut self.values, now, &mut self.value));
            let before = std::mem::replace(&mut row.looked_at, now);
            let values = |start: Option<usize>| start.and_then(|start| self.values.get(start..));
            let mut before = values(before).unwrap_or_default();
            let mut now = values(now).unwrap_or_default();
            for index in 0..V::INDEXES.len() {
                let (before, now) = (next_value(&mut before), next_value(&mut now));
                if before == now {
                    continue;
                }
                let is_claim = |value: &Value<'_>| value.is_claim;
                let entry = |value: Value<'_>| {
                    let mut entry = Vec::new();
                    layout::index(&mut entry, self.number, index, value.bytes, &[]);
                    entry
                };
                if let Some(before) = before.filter(is_claim) {
                    self.unique.holders.insert(entry(before), None);
                }
                claims.extend(now.filter(is_claim).map(|now| Claim {
                    index,
                    entry: entry(now),
                    place: *place,
                }));
            }
        }
        // Every value that is given up is free by now, so that rows may swap their values.
        for claim in claims {
            let key = self.rows.key(claim.place);
            let holder = match self.unique.holders.get(&claim.entry) {
                Some(holder) => holder.map(|place| self.rows.key(place)),
                None => entries.get(&claim.entry)?,
            };
            if let Some(holder) = holder.filter(|holder| *holder != key) {
                return Err(not_unique::<V>(&claim, key, holder));
            }
            self.unique.holders.insert(claim.entry, Some(claim.place));
        }
        Ok(())
    }
}

fn check_lengths<V: View>(row: &V, key: usize, value: &mut KeyBytes) -> Result<(), ViewError> {
    if key > KEY_BYTES {
        return Err(ViewError::KeyTooLong {
            view: V::NAME,
            actual: key,
        });
    }
    for index in V::INDEXES {
        value.clear();
        (index.encode)(row, value);
        let with_key = if index.is_claim(value) { 0 } else { key };
        let actual = value.len() + with_key;
        if actual > KEY_BYTES {
            return Err(ViewError::IndexTooLong {
                view: V::NAME,
                index: index.name,
                actual,
            });
        }
    }
    Ok(())
}

/// A [`Table`] of any view.
pub(super) trait AnyTable: Any + Send {
    fn number(&self) -> u32;

    /// Checks the rows that were changed since the last check: replaces them with what the next transaction would read, and
    /// checks unique indexes.
    fn check_changes(&mut self, entries: &dyn EntrySnapshot) -> Result<(), ViewError>;

    /// Returns the changed rows, for a database.
    fn changes(&mut self) -> Result<Vec<RowChange>, ViewError>;

    /// Adds the changed rows to the changes of entries.
    fn write(
        &mut self,
        entries: &dyn EntrySnapshot,
        changes: &mut UnsortedChanges,
    ) -> Result<(), ViewError>;
}

/// A value that a row has now, and that no other may have.
struct Claim {
    index: usize,
    entry: Vec<u8>,
    place: usize,
}

impl<V: View> AnyTable for Table<V> {
    fn number(&self) -> u32 {
        self.number
    }

    fn write(
        &mut self,
        entries: &dyn EntrySnapshot,
        changes: &mut UnsortedChanges,
    ) -> Result<(), ViewError> {
        self.check_changes(entries)?;
        for (key, row) in self.rows.iter().filter(|(_, row)| row.is_changed) {
            layout::row(&mut self.entry, self.number, key);
            match (&row.now, row.before) {
                (Some(now), _) => changes.push_with(&self.entry, |json| encode(json, now))?,
                (None, Some(_)) => changes.push(&self.entry, None),
                (None, None) => continue,
            }
            let before = row.before.and_then(|start| self.values.get(start..));
            let mut before = before.unwrap_or_default();
            for (number, index) in V::INDEXES.iter().enumerate() {
                let before = next_value(&mut before);
                self.value.clear();
                if let Some(now) = &row.now {
                    (index.encode)(now, &mut self.value);
                }
                let now = row.now.as_ref().map(|_| Value {
                    bytes: self.value.as_bytes(),
                    is_claim: index.is_claim(&self.value),
                });
                if before == now {
                    continue;
                }
                for (value, holder) in [(before, None), (now, Some(key))] {
                    if let Some(value) = value.filter(|value| !value.is_claim) {
                        layout::index(&mut self.entry, self.number, number, value.bytes, key);
                        changes.push(&self.entry, holder);
                    }
                }
            }
        }
        for (entry, holder) in &self.unique.holders {
            changes.push(entry, holder.map(|place| self.rows.key(place)));
        }
        Ok(())
    }

    fn changes(&mut self) -> Result<Vec<RowChange>, ViewError> {
        let mut changes = Vec::new();
        for (key, row) in self.rows.iter().filter(|(_, row)| row.is_changed) {
            let now = match (&row.now, row.before) {
                (Some(now), _) => {
                    let mut json = Vec::new();
                    encode(&mut json, now)?;
                    let values = V::INDEXES.iter().map(|index| {
                        let mut value = KeyBytes::new();
                        (index.encode)(now, &mut value);
                        value.into_bytes()
                    });
                    Some(NewRow::new(json, values.collect()))
                }
                (None, Some(_)) => None,
                (None, None) => continue,
            };
            changes.push(RowChange::new(key.to_owned(), now));
        }
        Ok(changes)
    }

    fn check_changes(&mut self, entries: &dyn EntrySnapshot) -> Result<(), ViewError> {
        self.changed.sort_unstable();
        self.changed.dedup();
        for place in &self.changed {
            if let Some((key, row)) = self.rows.keyed_mut(*place)
                && let Some(now) = &mut row.now
            {
                *now = self.read_back.read(now, key)?;
            }
        }
        if Self::IS_UNIQUE {
            self.check_unique(entries)?;
        }
        // Only after all checks: a row that fails one must fail at the commit, too.
        self.changed.clear();
        Ok(())
    }
}

/// Adds a row to bytes, as JSON.
pub(super) fn encode<V: View>(json: &mut Vec<u8>, row: &V) -> Result<(), ViewError> {
    let before = json.len();
    row.__to_json(json).map_err(|cause| ViewError::Encode {
        view: V::NAME,
        key: show::key_of(row),
        cause,
    })?;
    let actual = json.len() - before;
    if actual > ENTRY_VALUE_BYTES {
        return Err(ViewError::RowTooLarge {
            view: V::NAME,
            key: show::key_of(row),
            actual,
        });
    }
    Ok(())
}

#[cold]
fn not_unique<V: View>(claim: &Claim, key: &[u8], holder: &[u8]) -> ViewError {
    let index = V::INDEXES.get(claim.index);
    let value = claim.entry.get(layout::PREFIX_BYTES..).unwrap_or_default();
    ViewError::NotUnique {
        view: V::NAME,
        index: index.map_or("", |index| index.name),
        value: index.map_or_else(String::new, |index| show::by_form(index.describe, value)),
        key: show::key::<V>(key),
        other: show::key::<V>(holder),
    }
}
