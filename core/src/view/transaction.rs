//! The transaction through which handlers of a projection read and write views.

// Selections and keys are passed by value, so that calls read as they should.
#![allow(clippy::needless_pass_by_value)]

use super::database::{LoadedEntries, LoadedRange, RowsWrite, TableChange, ViewWrite};
use super::entries::{Entries, ReadingEntries};
use super::key::KeyBytes;
use super::layout;
use super::lookup::KeyOf;
use super::scan::{ScanPlan, TableReader, decode};
use super::select::Select;
use super::snapshot_notes::SnapshotNotes;
use super::table::{AnyTable, Table, encode};
use super::views::check_form;
use super::{View, ViewError};
use crate::store::entry_changes::UnsortedChanges;
use crate::store::{Direction, EntryWrite};
use std::any::Any;
use std::fmt;
use std::ops::ControlFlow;

/// Reads and changes the rows of one generation of views. It sees its own changes; others see all of
/// them once it is committed, and none before.
///
/// However often a row is changed, it is read once and written once.
pub struct ViewTransaction {
    pub(super) notes: SnapshotNotes,
    projection: &'static str,
    generation: u32,
    tables: Vec<Box<dyn AnyTable>>,
    /// Entries to remove.
    pub(super) removed: Vec<Vec<u8>>,
    /// The tables that come and go, in a database.
    pub(super) changes: Vec<TableChange>,
    /// The error of a change that failed half-way: the rows are no longer what the handlers intended.
    failed: Option<String>,
}

impl ViewTransaction {
    pub(super) fn new(entries: Entries, projection: &'static str, generation: u32) -> Self {
        ViewTransaction {
            notes: SnapshotNotes::new(entries),
            projection,
            generation,
            tables: Vec::new(),
            removed: Vec::new(),
            changes: Vec::new(),
            failed: None,
        }
    }

    /// Returns the row of a key.
    ///
    /// # Errors
    /// When the stored row or the store cannot be read.
    pub fn get<V: View>(&mut self, key: impl KeyOf<V::Key>) -> Result<Option<&V>, ViewError> {
        let (table, entries, _) = self.table::<V>()?;
        let place = table.place(&*entries, &key)?;
        drop(entries);
        Ok(table.row(place))
    }

    /// Inserts a row, or replaces the one that has its key.
    ///
    /// # Errors
    /// [`ViewError::KeyTooLong`] and [`ViewError::IndexTooLong`], or when the stored row or the store cannot be
    /// read. Two checks come when the handler is done with its event: that no two rows have the same value in a unique
    /// index, so that within an event rows may swap their values, and that each row can be
    /// [read as it was put](View#stored-rows).
    pub fn put<V: View>(&mut self, row: V) -> Result<(), ViewError> {
        let (table, entries, _) = self.table::<V>()?;
        table.put(&*entries, row)
    }

    /// Removes a row; returns whether there was one.
    ///
    /// # Errors
    /// As [`ViewTransaction::get`].
    pub fn remove<V: View>(&mut self, key: impl KeyOf<V::Key>) -> Result<bool, ViewError> {
        let (table, entries, _) = self.table::<V>()?;
        let place = table.place(&*entries, &key)?;
        if table.row(place).is_none() {
            return Ok(false);
        }
        Ok(table.change(place).is_some_and(|row| row.take().is_some()))
    }

    /// Creates the row of a key if there is none, and then changes it in either case.
    ///
    /// # Errors
    /// [`ViewError::KeyChanged`] when the row does not have this key afterwards; otherwise as
    /// [`ViewTransaction::put`].
    pub fn upsert<V: View>(
        &mut self,
        key: impl KeyOf<V::Key>,
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V),
    ) -> Result<(), ViewError> {
        let (table, entries, failed) = self.table::<V>()?;
        let place = table.place(&*entries, &key)?;
        if let Some(row) = table.change(place) {
            change(row.get_or_insert_with(make));
        }
        checked(table, place, failed)
    }

    /// Changes a row; returns whether there was one.
    ///
    /// # Errors
    /// As [`ViewTransaction::upsert`].
    pub fn update<V: View>(
        &mut self,
        key: impl KeyOf<V::Key>,
        change: impl FnOnce(&mut V),
    ) -> Result<bool, ViewError> {
        let (table, entries, failed) = self.table::<V>()?;
        let place = table.place(&*entries, &key)?;
        if table.row(place).is_none() {
            return Ok(false);
        }
        if let Some(Some(row)) = table.change(place) {
            change(row);
        }
        checked(table, place, failed).map(|()| true)
    }

    /// Returns the selected rows, including the changes of this transaction.
    ///
    /// # Errors
    /// As [`ViewTransaction::get`].
    pub fn select<V: View>(&mut self, select: Select<V>) -> Result<Vec<V>, ViewError> {
        let (table, entries, _) = self.table::<V>()?;
        let plan = ScanPlan::of(&select, table.number)?;
        let limit = select.limit.unwrap_or(usize::MAX);
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        if let ReadingEntries::Loaded(loaded) = &entries {
            loaded.want_range(LoadedRange::new(table.number, &plan, select.range()));
        }
        let changed = changed_rows(table, &plan, &select);
        let mut changed = changed.into_iter().peekable();
        let reader = table.reader(&*entries);
        let mut scratch = Vec::new();
        reader.entries(&plan, &mut |entry, value| {
            let key = TableReader::<V>::key(&plan, entry, value);
            while let Some(own) = changed.next_if(|own| match plan.direction {
                Direction::Forward => own.place() < (entry, key),
                Direction::Backward => own.place() > (entry, key),
            }) {
                rows.push(copy(own.row)?);
                if rows.len() == limit {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if !table.is_changed(key) {
                let row = reader.row(&plan, entry, value, &mut scratch)?;
                if select.passes(&row) {
                    rows.push(row);
                }
            }
            Ok(if rows.len() == limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        for own in changed.take(limit - rows.len()) {
            rows.push(copy(own.row)?);
        }
        Ok(rows)
    }

    /// Returns the table of a view, the entries that hold it, and where to note a change that fails.
    #[allow(clippy::type_complexity)]
    fn table<V: View>(
        &mut self,
    ) -> Result<(&mut Table<V>, ReadingEntries<'_>, &mut Option<String>), ViewError> {
        let is_it = |table: &dyn AnyTable| (table as &dyn Any).is::<Table<V>>();
        let place = match self.tables.iter().position(|table| is_it(&**table)) {
            Some(place) => place,
            None => {
                let table = self.open::<V>()?;
                self.tables.push(Box::new(table));
                self.tables.len() - 1
            }
        };
        let table = self.tables.get_mut(place);
        let table = table.and_then(|table| (&mut **table as &mut dyn Any).downcast_mut());
        match table {
            Some(table) => Ok((table, self.notes.entries()?, &mut self.failed)),
            None => Err(not_prepared::<V>(self.projection, self.generation)),
        }
    }

    #[cold]
    fn open<V: View>(&mut self) -> Result<Table<V>, ViewError> {
        let key = layout::table_note(self.projection, self.generation, V::NAME);
        let Some(note) = self.notes.get(&key)? else {
            return Err(not_prepared::<V>(self.projection, self.generation));
        };
        let note: layout::TableNote = layout::parse(&key, note.as_bytes())?;
        check_form::<V>(note.form)?;
        if self.tables.iter().any(|open| open.number() == note.table) {
            return Err(ViewError::TwoTypes { view: V::NAME });
        }
        let reads_before = match self.notes.loaded_mut() {
            None => true,
            Some(loaded) => {
                loaded.open::<V>(note.table);
                false
            }
        };
        Ok(Table::new(note.table, reads_before))
    }

    /// Returns how many rows and notes must be read of a database, before what asked for them is done again.
    #[doc(hidden)]
    #[must_use]
    pub fn lacking(&self) -> usize {
        self.notes.loaded().map_or(0, LoadedEntries::lacking)
    }

    /// Reads what was asked for and was not there.
    #[doc(hidden)]
    pub async fn load(&mut self) -> Result<(), ViewError> {
        self.notes.load().await
    }

    /// Does work again until all that it asks for is there. It must not matter how often it is done.
    pub(super) async fn with_loaded<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, ViewError> + Send,
    ) -> Result<T, ViewError> {
        loop {
            match work(self) {
                Err(_) if self.notes.loaded().is_some_and(LoadedEntries::lacks) => {
                    self.load().await?;
                }
                done => return done,
            }
        }
    }

    /// Forgets all changes of rows, for events that are handled again.
    pub(super) fn forget_rows(&mut self) {
        self.tables.clear();
        self.failed = None;
    }

    /// Checks the changes of one event.
    pub(super) fn check(&mut self) -> Result<(), ViewError> {
        if let Some(reason) = self.failed.clone() {
            return Err(ViewError::Failed { reason });
        }
        if self.tables.is_empty() {
            return Ok(());
        }
        let entries = self.notes.entries()?;
        let mut tables = self.tables.iter_mut();
        tables.try_for_each(|table| table.check_changes(&*entries))
    }

    /// Returns all changes and what they rely on, and releases the snapshot.
    pub(super) fn into_write(mut self) -> Result<EntryWrite, ViewError> {
        if let Some(reason) = self.failed {
            return Err(ViewError::Failed { reason });
        }
        let mut changes = UnsortedChanges::default();
        if !self.tables.is_empty() {
            let entries = self.notes.entries()?;
            let mut tables = self.tables.iter_mut();
            tables.try_for_each(|table| table.write(&*entries, &mut changes))?;
        }
        for entry in &self.removed {
            changes.push(entry, None);
        }
        if let Some(held) = self.notes.held() {
            held.release();
        }
        Ok(self.notes.into_write(changes))
    }

    /// Returns all changes for a database, and what they rely on.
    pub(super) fn into_view_write(mut self) -> Result<ViewWrite, ViewError> {
        if let Some(reason) = self.failed {
            return Err(ViewError::Failed { reason });
        }
        let mut rows = Vec::new();
        if let Some(loaded) = self.notes.loaded() {
            for table in &mut self.tables {
                table.check_changes(loaded)?;
                let changed = table.changes()?;
                if !changed.is_empty()
                    && let Some(table) = loaded.table(table.number())
                {
                    rows.push(RowsWrite {
                        table: table.clone(),
                        rows: changed,
                    });
                }
            }
        }
        let tables = self.changes;
        let (expected, notes) = self.notes.into_parts();
        Ok(ViewWrite {
            expected,
            notes,
            tables,
            rows,
        })
    }
}

/// Checks a row that was changed in place. A refused row cannot be restored.
fn checked<V: View>(
    table: &mut Table<V>,
    place: usize,
    failed: &mut Option<String>,
) -> Result<(), ViewError> {
    table.check(place).inspect_err(|error| {
        failed.get_or_insert_with(|| error.to_string());
    })
}

/// A changed row, at its position in a selection.
struct Changed<'t, V> {
    entry: Vec<u8>,
    key: &'t [u8],
    row: &'t V,
}

impl<V> Changed<'_, V> {
    /// Returns the entry, and the key, as rows may share a value of a unique index until the end of an event.
    fn place(&self) -> (&[u8], &[u8]) {
        (&self.entry, self.key)
    }
}

/// Returns the changed rows that are selected, in the order of the selection.
fn changed_rows<'t, V: View>(
    table: &'t Table<V>,
    plan: &ScanPlan,
    select: &Select<V>,
) -> Vec<Changed<'t, V>> {
    let index = select.index.and_then(|index| V::INDEXES.get(index));
    let (mut found, mut value, mut entry) = (Vec::new(), KeyBytes::new(), Vec::new());
    for (key, row) in table.changed() {
        layout::begin(&mut entry, table.number, select.index);
        if let Some(index) = index {
            value.clear();
            (index.encode)(row, &mut value);
            entry.extend_from_slice(value.as_bytes());
        }
        if index.is_none_or(|index| !index.is_claim(&value)) {
            entry.extend_from_slice(key);
        }
        if plan.contains(&entry) && select.passes(row) {
            found.push(Changed {
                entry: entry.clone(),
                key,
                row,
            });
        }
    }
    found.sort_by(|one, other| match plan.direction {
        Direction::Forward => one.place().cmp(&other.place()),
        Direction::Backward => other.place().cmp(&one.place()),
    });
    found
}

/// Views need not be `Clone`, but they can always be written and read.
fn copy<V: View>(row: &V) -> Result<V, ViewError> {
    let mut key = KeyBytes::new();
    row.encode_key(&mut key);
    let mut json = Vec::new();
    encode(&mut json, row)?;
    decode(key.as_bytes(), &json)
}

#[cold]
fn not_prepared<V: View>(projection: &str, generation: u32) -> ViewError {
    ViewError::NotPrepared {
        view: V::NAME.to_owned(),
        projection: projection.to_owned(),
        generation,
    }
}

impl fmt::Debug for ViewTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewTransaction")
            .field("projection", &self.projection)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
