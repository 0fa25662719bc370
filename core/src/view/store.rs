//! `Views` as the store in which projections keep their rows.

use super::ViewError;
use super::database::{TableChange, TableRef};
use super::layout::{self, CounterNote, FORMAT, TableNote, VIEW, ViewNote};
use super::transaction::ViewTransaction;
use super::views::Views;
use crate::notes::{Held, NoteStore};
use crate::projection::{Generation, ViewDefinition, ViewStore};
use crate::store::StoreError;
use crate::store::{Direction, after_prefix};
use std::ops::{Bound, ControlFlow};

/// How many entries one transaction removes of a generation that is no longer read.
const DISCARD: usize = 10_000;

impl NoteStore for Views {
    type Transaction = ViewTransaction;
    type Error = ViewError;

    async fn begin(&self) -> Result<ViewTransaction, ViewError> {
        self.transaction("", 0)
    }

    async fn begin_read(&self) -> Result<ViewTransaction, ViewError> {
        let entries = self.reading_entries().await?;
        Ok(ViewTransaction::new(entries, "", 0))
    }

    async fn get(
        &self,
        transaction: &mut ViewTransaction,
        key: &str,
    ) -> Result<Option<String>, ViewError> {
        transaction.with_loaded(|one| one.notes.get(key)).await
    }

    async fn put(
        &self,
        transaction: &mut ViewTransaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ViewError> {
        transaction.notes.put(key, value);
        Ok(())
    }

    async fn list(
        &self,
        transaction: &mut ViewTransaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, ViewError> {
        transaction.with_loaded(|one| one.notes.list(prefix)).await
    }

    async fn list_page(
        &self,
        transaction: &mut ViewTransaction,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, ViewError> {
        let page = |one: &mut ViewTransaction| one.notes.stored_after(prefix, after, limit);
        transaction.with_loaded(page).await
    }

    fn held(&self, transaction: &ViewTransaction) -> Option<Held> {
        transaction.notes.held().cloned()
    }

    fn is_conflict(&self, error: &ViewError) -> bool {
        matches!(
            error,
            ViewError::Changed { .. } | ViewError::Conflict { .. }
        )
    }

    fn is_refusal(&self, error: &ViewError) -> bool {
        use ViewError::{
            Encode, Failed, NotKept, NotUnique, Refused, RowTooLarge, Store, Unreadable,
        };
        matches!(
            error,
            Encode { .. }
                | RowTooLarge { .. }
                | Unreadable { .. }
                | NotKept { .. }
                | NotUnique { .. }
                | Failed { .. }
                | Refused { .. }
                // Fewer events have fewer rows.
                | Store(StoreError::Limit(_))
        )
    }

    async fn commit(&self, transaction: ViewTransaction) -> Result<(), ViewError> {
        self.write(transaction).await
    }
}

impl ViewStore for Views {
    async fn begin_generation(
        &self,
        generation: &Generation,
    ) -> Result<ViewTransaction, ViewError> {
        let transaction = self.transaction(generation.projection, generation.number)?;
        if let Some(loaded) = transaction.notes.loaded() {
            // The handlers need them; they are read along with the first note.
            for view in generation.views.iter() {
                let (projection, number) = (generation.projection, generation.number);
                loaded.want_note(layout::table_note(projection, number, view.name));
            }
        }
        Ok(transaction)
    }

    async fn check(&self, transaction: &mut ViewTransaction) -> Result<(), ViewError> {
        transaction.check()
    }

    async fn prepare(
        &self,
        transaction: &mut ViewTransaction,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        transaction.with_loaded(|one| one.prepare(generation)).await
    }

    async fn activate(
        &self,
        transaction: &mut ViewTransaction,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        transaction
            .with_loaded(|one| one.activate(generation))
            .await
    }

    async fn discard(
        &self,
        transaction: &mut ViewTransaction,
        generation: &Generation,
    ) -> Result<bool, ViewError> {
        transaction.with_loaded(|one| one.discard(generation)).await
    }

    fn lacking(&self, transaction: &ViewTransaction) -> usize {
        ViewTransaction::lacking(transaction)
    }

    async fn load(&self, transaction: &mut ViewTransaction) -> Result<(), ViewError> {
        transaction.load().await?;
        transaction.forget_rows();
        Ok(())
    }
}

impl Views {
    fn transaction(
        &self,
        projection: &'static str,
        generation: u32,
    ) -> Result<ViewTransaction, ViewError> {
        let entries = self.transaction_entries()?;
        Ok(ViewTransaction::new(entries, projection, generation))
    }
}

impl ViewTransaction {
    fn prepare(&mut self, generation: &Generation) -> Result<(), ViewError> {
        for (index, view) in generation.views.iter().enumerate() {
            let before = &generation.views[..index];
            if before.iter().any(|before| before.name == view.name) {
                return Err(ViewError::TwoTypes { view: view.name });
            }
            let key = layout::table_note(generation.projection, generation.number, view.name);
            if let Some(note) = self.notes.get(&key)? {
                let note: TableNote = layout::parse(&key, note.as_bytes())?;
                if note.form == view.form {
                    continue;
                }
                return Err(ViewError::OtherDefinition {
                    view: view.name,
                    stored: note.form,
                    expected: view.form.clone(),
                });
            }
            let number = self.next_table()?;
            if self.notes.loaded().is_some() {
                let table = table_of(view, number)?;
                self.change(TableChange::Create(table));
            }
            let note = TableNote {
                format: FORMAT,
                table: number,
                form: view.form.clone(),
            };
            self.notes.put(&key, Some(&layout::write(&key, &note)?));
        }
        Ok(())
    }

    /// Returns a number that no table has had.
    fn next_table(&mut self) -> Result<u32, ViewError> {
        let last = match self.notes.get(layout::COUNTER)? {
            Some(note) => layout::parse::<CounterNote>(layout::COUNTER, note.as_bytes())?.last,
            None => 0,
        };
        let next = last.checked_add(1).ok_or_else(|| ViewError::DamagedNote {
            note: layout::COUNTER.to_owned(),
            reason: format!("{last} is the last number there can be"),
        })?;
        let note = CounterNote {
            format: FORMAT,
            last: next,
        };
        let note = layout::write(layout::COUNTER, &note)?;
        self.notes.put(layout::COUNTER, Some(&note));
        Ok(next)
    }

    fn activate(&mut self, generation: &Generation) -> Result<(), ViewError> {
        for view in generation.views.iter() {
            self.activate_view(generation, view)?;
        }
        // Views that the projection has kept, but no longer lists.
        for key in self.seen_of(generation.projection, |_| true)? {
            let is_listed = |view: &ViewDefinition| layout::view_note(view.name) == key;
            if !generation.views.iter().any(is_listed) {
                self.forget(&key)?;
            }
        }
        Ok(())
    }

    fn activate_view(
        &mut self,
        generation: &Generation,
        view: &ViewDefinition,
    ) -> Result<(), ViewError> {
        let key = layout::view_note(view.name);
        if let Some(note) = self.notes.get(&key)? {
            let note: ViewNote = layout::parse(&key, note.as_bytes())?;
            if note.projection != generation.projection {
                return Err(ViewError::OwnedByOther {
                    view: view.name.to_owned(),
                    projection: generation.projection.to_owned(),
                    owner: note.projection,
                });
            }
        }
        let table = layout::table_note(generation.projection, generation.number, view.name);
        let Some(note) = self.notes.get(&table)? else {
            return Err(ViewError::NotPrepared {
                view: view.name.to_owned(),
                projection: generation.projection.to_owned(),
                generation: generation.number,
            });
        };
        let TableNote { table, form, .. } = layout::parse(&table, note.as_bytes())?;
        if self.notes.loaded().is_some() {
            let table = table_of(view, table)?;
            self.change(TableChange::Show(table));
        }
        let note = ViewNote {
            format: FORMAT,
            projection: generation.projection.to_owned(),
            generation: generation.number,
            table,
            form,
        };
        self.notes.put(&key, Some(&layout::write(&key, &note)?));
        Ok(())
    }

    fn discard(&mut self, generation: &Generation) -> Result<bool, ViewError> {
        let prefix = layout::table_note(generation.projection, generation.number, "");
        let tables = self.notes.list(&prefix)?;
        for (key, note) in &tables {
            let note: TableNote = layout::parse(key, note.as_bytes())?;
            let view = key.strip_prefix(&prefix).unwrap_or_default();
            if !self.remove_table(view, note.table)? {
                return Ok(false);
            }
        }
        for (key, _) in &tables {
            self.notes.put(key, None);
        }
        let is_discarded = |note: &ViewNote| note.generation == generation.number;
        for key in self.seen_of(generation.projection, is_discarded)? {
            self.forget(&key)?;
        }
        Ok(true)
    }

    /// Removes as many entries as one transaction may; returns whether none are left.
    pub(super) fn remove_table(&mut self, view: &str, table: u32) -> Result<bool, ViewError> {
        if self.notes.loaded().is_some() {
            self.change(TableChange::Drop {
                view: view.to_owned(),
                number: table,
            });
            return Ok(true);
        }
        let mut prefix = Vec::new();
        layout::begin_table(&mut prefix, table);
        let (removed, mut is_all) = (&mut self.removed, true);
        self.notes.entries()?.scan(
            Bound::Included(&prefix),
            after_prefix(&prefix).as_ref().map(Vec::as_slice),
            Direction::Forward,
            &mut |entry, _| {
                if removed.len() >= DISCARD {
                    is_all = false;
                    return ControlFlow::Break(());
                }
                removed.push(entry.to_vec());
                ControlFlow::Continue(())
            },
        )?;
        Ok(is_all)
    }

    /// Returns the keys of the notes of a projection's views that readers see. Those of others may change meanwhile.
    pub(super) fn seen_of(
        &self,
        projection: &str,
        is_wanted: impl Fn(&ViewNote) -> bool,
    ) -> Result<Vec<String>, ViewError> {
        let mut seen = Vec::new();
        for (key, note) in self.notes.stored(&layout::view_note(""))? {
            let note: ViewNote = layout::parse(&key, note.as_bytes())?;
            if note.projection == projection && is_wanted(&note) {
                seen.push(key);
            }
        }
        Ok(seen)
    }

    /// Hides a view from readers.
    pub(super) fn forget(&mut self, key: &str) -> Result<(), ViewError> {
        self.notes.get(key)?;
        self.notes.put(key, None);
        if self.notes.loaded().is_some() {
            let view = key.strip_prefix(VIEW).unwrap_or(key).to_owned();
            self.change(TableChange::Hide { view });
        }
        Ok(())
    }

    /// Adds a change of tables, once.
    fn change(&mut self, change: TableChange) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }
}

fn table_of(view: &ViewDefinition, number: u32) -> Result<TableRef, ViewError> {
    match &view.table {
        Some(table) => Ok(TableRef::new(number, table.clone())),
        None => Err(ViewError::NoTable {
            view: view.name.to_owned(),
            reason: "its definition has no columns; make it with `ViewDefinition::of`".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{ENTRY_WRITE_BYTES, LimitError, Limited};
    use crate::store::MemoryStore;

    #[test]
    fn rows_that_are_too_many_for_one_write_are_tried_again_with_fewer_events() {
        let views = Views::new(MemoryStore::new());
        let limit = StoreError::Limit(LimitError::TooLong {
            what: Limited::EntryWrite,
            limit: ENTRY_WRITE_BYTES,
            actual: ENTRY_WRITE_BYTES + 1,
        });
        assert!(views.is_refusal(&ViewError::Store(limit)));
        let unknown = StoreError::OutcomeUnknown {
            reason: "the disk is gone".to_owned(),
        };
        assert!(!views.is_refusal(&ViewError::Store(unknown)));
    }
}
