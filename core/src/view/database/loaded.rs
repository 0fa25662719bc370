//! What a transaction has read of a database, as the entries that an embedded store would have; and what it lacks.

use super::definition::{
    ClaimsRead, NotesRange, RowRange, RowsRead, TableRef, ViewData, ViewDatabase, ViewRead,
};
use crate::projection::TableDefinition;
use crate::store::{Direction, EntrySnapshot, ScanEntry, StoreError};
use crate::view::layout::{self, PREFIX_BYTES};
use crate::view::scan::ScanPlan;
use crate::view::{View, ViewError};
use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rows that a range is read with at first, where its selection has no limit.
const FIRST_ROWS: usize = 256;

/// What was read of a database. A read of anything else fails, and is remembered as wanted.
pub(in crate::view) struct LoadedEntries {
    database: Arc<dyn ViewDatabase>,
    tables: HashMap<u32, Table>,
    /// Notes, rows and values of unique indexes; `None` for those that there are not.
    entries: HashMap<Vec<u8>, Option<Vec<u8>>>,
    lists: Vec<(NotesRange, Vec<(String, String)>)>,
    ranges: Vec<LoadedRange>,
    wanted: Mutex<Wanted>,
}

/// A table of which rows are read.
struct Table {
    table: TableRef,
    keys_of: KeysOf,
}

/// Returns the key of a row that is JSON, and its value in an index.
type KeysOf = fn(&[u8], Option<usize>) -> Result<(Vec<u8>, Vec<u8>), ViewError>;

/// A range of rows: the entries of it that were read.
pub(in crate::view) struct LoadedRange {
    number: u32,
    range: RowRange,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    /// In the order of the range.
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether all of them were read.
    is_complete: bool,
}

impl LoadedRange {
    pub(in crate::view) fn new(number: u32, plan: &ScanPlan, range: RowRange) -> Self {
        let (from, to) = plan.bounds();
        LoadedRange {
            number,
            range,
            from: from.clone(),
            to: to.clone(),
            entries: Vec::new(),
            is_complete: false,
        }
    }

    fn is(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, direction: Direction) -> bool {
        let is_reverse = direction == Direction::Backward;
        self.range.is_reverse == is_reverse
            && self.from.as_ref().map(Vec::as_slice) == from
            && self.to.as_ref().map(Vec::as_slice) == to
    }
}

/// What was asked for and is not there.
#[derive(Default)]
struct Wanted {
    notes: Vec<String>,
    lists: Vec<NotesRange>,
    entries: Vec<Vec<u8>>,
    /// Ranges that were never read.
    ranges: Vec<LoadedRange>,
    /// The indexes of ranges of which more rows are needed.
    more: Vec<usize>,
}

impl LoadedEntries {
    pub(in crate::view) fn new(database: Arc<dyn ViewDatabase>) -> Self {
        LoadedEntries {
            database,
            tables: HashMap::new(),
            entries: HashMap::new(),
            lists: Vec::new(),
            ranges: Vec::new(),
            wanted: Mutex::default(),
        }
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether something was asked for that must be read first.
    pub(in crate::view) fn lacks(&self) -> bool {
        let wanted = self.wanted();
        !(wanted.notes.is_empty()
            && wanted.lists.is_empty()
            && wanted.entries.is_empty()
            && wanted.ranges.is_empty()
            && wanted.more.is_empty())
    }

    /// Returns the rows and notes that are wanted, as a number.
    pub(in crate::view) fn lacking(&self) -> usize {
        let wanted = self.wanted();
        wanted.notes.len() + wanted.entries.len() + wanted.ranges.len() + wanted.more.len()
    }

    /// Introduces a table, before its rows are read.
    pub(in crate::view) fn open<V: View>(&mut self, number: u32) {
        self.tables.entry(number).or_insert_with(|| Table {
            table: TableRef::new(number, Arc::new(TableDefinition::of::<V>())),
            keys_of: keys_of::<V>,
        });
    }

    pub(in crate::view) fn table(&self, number: u32) -> Option<&TableRef> {
        self.tables.get(&number).map(|table| &table.table)
    }

    /// Asks for a note.
    pub(in crate::view) fn want_note(&self, key: String) {
        if !self.entries.contains_key(key.as_bytes()) {
            self.wanted().notes.push(key);
        }
    }

    /// Returns the notes of a range.
    pub(in crate::view) fn notes(
        &self,
        range: NotesRange,
    ) -> Result<Vec<(String, String)>, ViewError> {
        let loaded = self.lists.iter().find(|(loaded, _)| *loaded == range);
        match loaded {
            Some((_, notes)) => Ok(notes.clone()),
            None => {
                self.wanted().lists.push(range);
                Err(not_loaded().into())
            }
        }
    }

    /// Asks for a range, before it is scanned.
    pub(in crate::view) fn want_range(&self, range: LoadedRange) {
        let known = self.ranges.iter();
        let direction = direction_of(range.range.is_reverse);
        let (from, to) = (
            range.from.as_ref().map(Vec::as_slice),
            range.to.as_ref().map(Vec::as_slice),
        );
        if !known.into_iter().any(|known| known.is(from, to, direction)) {
            self.wanted().ranges.push(range);
        }
    }

    /// Reads what is wanted. The notes that a transaction relies on must be unchanged.
    pub(in crate::view) async fn load(
        &mut self,
        relied_on: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ViewError> {
        let mut wanted = std::mem::take(&mut *self.wanted());
        let mut read = ViewRead::default();
        wanted.notes.sort_unstable();
        wanted.notes.dedup();
        let count = wanted.notes.len();
        read.notes = wanted.notes;
        // Rows of two workers must never be mixed.
        let has_rows =
            !(wanted.entries.is_empty() && wanted.ranges.is_empty() && wanted.more.is_empty());
        if has_rows {
            read.notes.extend(relied_on.keys().cloned());
        }
        for range in wanted.lists {
            if !read.lists.contains(&range) {
                read.lists.push(range);
            }
        }
        self.plan_entries(wanted.entries, &mut read);
        let mut ranges = Vec::<LoadedRange>::new();
        for new in wanted.ranges {
            let is_new = |old: &LoadedRange| old.number != new.number || old.range != new.range;
            if ranges.iter().all(is_new) {
                ranges.push(new);
            }
        }
        wanted.more.sort_unstable();
        wanted.more.dedup();
        for index in wanted.more.into_iter().rev() {
            let mut range = self.ranges.swap_remove(index);
            range.range.limit = Some(range.entries.len().saturating_mul(4).max(FIRST_ROWS));
            ranges.push(range);
        }
        ranges.retain(|range| self.tables.contains_key(&range.number));
        for range in &mut ranges {
            let limit = range.range.limit.unwrap_or(FIRST_ROWS);
            range.range.limit = Some(limit);
            if let Some(table) = self.table(range.number) {
                read.ranges.push((table.clone(), range.range.clone()));
            }
        }
        let data = self.database.read(&read).await?;
        self.take_in(&read, count, data, ranges, relied_on)
    }

    /// Sorts wanted entries by their tables and indexes.
    fn plan_entries(&self, mut entries: Vec<Vec<u8>>, read: &mut ViewRead) {
        entries.sort_unstable();
        entries.dedup();
        for entry in entries {
            let Some((number, kind, rest)) = parts(&entry) else {
                continue;
            };
            let Some(table) = self.table(number) else {
                continue;
            };
            let rest = rest.to_vec();
            match usize::from(kind).checked_sub(1) {
                None => match read.rows.last_mut() {
                    Some(rows) if rows.table.number == number => rows.keys.push(rest),
                    _ => read.rows.push(RowsRead {
                        table: table.clone(),
                        keys: vec![rest],
                    }),
                },
                Some(index) => match read.claims.last_mut() {
                    Some(claims) if claims.table.number == number && claims.index == index => {
                        claims.values.push(rest);
                    }
                    _ => read.claims.push(ClaimsRead {
                        table: table.clone(),
                        index,
                        values: vec![rest],
                    }),
                },
            }
        }
    }

    fn take_in(
        &mut self,
        read: &ViewRead,
        count: usize,
        data: ViewData,
        ranges: Vec<LoadedRange>,
        relied_on: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ViewError> {
        for (place, (key, note)) in read.notes.iter().zip(data.notes).enumerate() {
            if place >= count {
                if relied_on
                    .get(key)
                    .is_some_and(|relied_on| *relied_on != note)
                {
                    return Err(ViewError::Changed { note: key.clone() });
                }
                continue;
            }
            let note = note.map(String::into_bytes);
            self.entries.insert(key.clone().into_bytes(), note);
        }
        self.lists
            .extend(read.lists.iter().cloned().zip(data.lists));
        for (asked, found) in read.rows.iter().zip(data.rows) {
            let mut rows = vec![None; asked.keys.len()];
            for (place, json) in found {
                if let Some(row) = rows.get_mut(place) {
                    *row = Some(json);
                }
            }
            for (key, row) in asked.keys.iter().zip(rows) {
                self.entries.insert(row_entry(asked.table.number, key), row);
            }
        }
        for (asked, found) in read.claims.iter().zip(data.claims) {
            let number = asked.table.number;
            let mut holders = vec![None; asked.values.len()];
            for (place, json) in found {
                let (key, _) = self.keys(number, &json, None)?;
                if let Some(holder) = holders.get_mut(place) {
                    *holder = Some(key);
                }
            }
            for (value, holder) in asked.values.iter().zip(holders) {
                let mut entry = Vec::new();
                layout::index(&mut entry, number, asked.index, value, &[]);
                self.entries.insert(entry, holder);
            }
        }
        for (mut range, rows) in ranges.into_iter().zip(data.ranges) {
            range.is_complete = range.range.limit.is_none_or(|limit| rows.len() < limit);
            range.entries.clear();
            for json in rows {
                let (key, value) = self.keys(range.number, &json, range.range.index)?;
                let row = row_entry(range.number, &key);
                let (entry, holder) = match range.range.index {
                    None => (row, json),
                    Some(index) => {
                        self.entries.entry(row).or_insert(Some(json));
                        let mut entry = Vec::new();
                        layout::index(&mut entry, range.number, index, &value, &key);
                        (entry, key)
                    }
                };
                range.entries.push((entry, holder));
            }
            self.ranges.push(range);
        }
        Ok(())
    }

    fn keys(
        &self,
        number: u32,
        json: &[u8],
        index: Option<usize>,
    ) -> Result<(Vec<u8>, Vec<u8>), ViewError> {
        match self.tables.get(&number) {
            Some(table) => (table.keys_of)(json, index),
            None => Err(not_loaded().into()),
        }
    }
}

impl EntrySnapshot for LoadedEntries {
    fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        if let Some(entry) = self.entries.get(key) {
            return Ok(entry.as_deref());
        }
        let mut wanted = self.wanted();
        match str::from_utf8(key) {
            Ok(note) => wanted.notes.push(note.to_owned()),
            Err(_) => wanted.entries.push(key.to_owned()),
        }
        Err(not_loaded())
    }

    fn scan(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        direction: Direction,
        visit: &mut ScanEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut ranges = self.ranges.iter();
        let Some(place) = ranges.position(|range| range.is(from, to, direction)) else {
            return Err(not_loaded());
        };
        let range = &self.ranges[place];
        for (entry, value) in &range.entries {
            if visit(entry, value) == ControlFlow::Break(()) {
                return Ok(());
            }
        }
        if range.is_complete {
            return Ok(());
        }
        self.wanted().more.push(place);
        Err(not_loaded())
    }
}

const fn direction_of(is_reverse: bool) -> Direction {
    if is_reverse {
        Direction::Backward
    } else {
        Direction::Forward
    }
}

/// Returns the table, the kind and the rest of an entry.
fn parts(entry: &[u8]) -> Option<(u32, u8, &[u8])> {
    let (start, rest) = entry.split_at_checked(PREFIX_BYTES)?;
    let number = u32::from_be_bytes(*start.get(1..5)?.as_array()?);
    Some((number, *start.last()?, rest))
}

fn row_entry(number: u32, key: &[u8]) -> Vec<u8> {
    let mut entry = Vec::new();
    layout::row(&mut entry, number, key);
    entry
}

fn keys_of<V: View>(json: &[u8], index: Option<usize>) -> Result<(Vec<u8>, Vec<u8>), ViewError> {
    let row = V::__from_json(json).map_err(|error| ViewError::Damaged {
        view: V::NAME,
        key: "that was read".to_owned(),
        reason: error.to_string(),
    })?;
    let (mut key, mut value) = (crate::view::KeyBytes::new(), crate::view::KeyBytes::new());
    row.encode_key(&mut key);
    if let Some(index) = index.and_then(|index| V::INDEXES.get(index)) {
        (index.encode)(&row, &mut value);
    }
    Ok((key.into_bytes(), value.into_bytes()))
}

/// The error of a read that must be repeated; a handler that passes it on is called again.
#[cold]
fn not_loaded() -> StoreError {
    StoreError::Backend {
        action: "read a row",
        cause: "it has not been read of the database yet; return this error from the handler, which is then called again with the row".into(),
    }
}
