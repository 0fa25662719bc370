//! Views as they were at one moment.

// Selections and keys are passed by value, so that calls read as they should.
#![allow(clippy::needless_pass_by_value)]

use super::cursor::{Cursor, PAGE, Page};
use super::key::KeyBytes;
use super::layout::{self, PREFIX_BYTES};
use super::lookup::KeyOf;
use super::scan::{ScanPlan, TableReader};
use super::select::Select;
use super::snapshot_notes::text;
use super::views::{Known, Views};
use super::{View, ViewError};
use crate::consumer::about::AboutProjection;
use crate::consumer::notes::{self as consumer_notes, Checkpoint, Keys};
use crate::place::{LogId, Place, Position};
use crate::projection::Projection;
use crate::store::EntrySnapshot;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::ops::ControlFlow;
use std::sync::Arc;

/// All views as they were at one moment, whatever was written since.
pub struct ViewSnapshot {
    entries: Box<dyn EntrySnapshot>,
    known: Arc<Known>,
}

impl ViewSnapshot {
    pub(super) fn new(entries: Box<dyn EntrySnapshot>, known: Arc<Known>) -> Self {
        ViewSnapshot { entries, known }
    }

    /// Returns the row of a key.
    ///
    /// # Errors
    /// [`ViewError::NotBuilt`] when no projection has made the view yet,
    /// [`ViewError::OtherDefinition`] when it is stored with another definition, or another variant when a row or
    /// the store cannot be read.
    pub fn get<V: View>(&self, key: impl KeyOf<V::Key>) -> Result<Option<V>, ViewError> {
        let mut bytes = KeyBytes::new();
        key.encode_key(V::KEY.encode, &mut bytes);
        self.table()?.get(bytes.as_bytes(), &mut Vec::new())
    }

    /// Returns the selected rows.
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn select<V: View>(&self, select: Select<V>) -> Result<Vec<V>, ViewError> {
        let mut rows = Vec::new();
        self.for_each(select, |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })?;
        Ok(rows)
    }

    /// Returns the first of the selected rows.
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn first<V: View>(&self, select: Select<V>) -> Result<Option<V>, ViewError> {
        let mut first = None;
        self.for_each(select, |row| {
            first = Some(row);
            ControlFlow::Break(())
        })?;
        Ok(first)
    }

    /// Counts the selected rows. Rows are only read if there is a filter.
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn count<V: View>(&self, select: Select<V>) -> Result<u64, ViewError> {
        let mut count = 0;
        if select.filter.is_some() {
            self.for_each(select, |_| {
                count += 1;
                ControlFlow::Continue(())
            })?;
            return Ok(count);
        }
        let table = self.table::<V>()?;
        let plan = ScanPlan::of(&select, table.table)?;
        let limit = select
            .limit
            .map_or(u64::MAX, |limit| u64::try_from(limit).unwrap_or(u64::MAX));
        if limit > 0 {
            table.entries(&plan, &mut |_, _| {
                count += 1;
                Ok(end_at(count == limit))
            })?;
        }
        Ok(count)
    }

    /// Returns a page of the selected rows, [as many as the limit](Select::limit) or 100, and where the next
    /// page begins. With a limit of 0, the next page begins where this one would have.
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`]; [`ViewError::OtherCursor`] when the cursor belongs to another selection.
    pub fn page<V: View>(&self, select: Select<V>) -> Result<Page<V>, ViewError> {
        let size = select.limit.unwrap_or(PAGE);
        let mut page = Page {
            rows: Vec::new(),
            next: None,
        };
        let table = self.table::<V>()?;
        let plan = ScanPlan::of(&select, table.table)?;
        let (mut scratch, mut last, mut is_last) = (Vec::new(), Vec::new(), true);
        table.entries(&plan, &mut |entry, value| {
            let is_full = page.rows.len() >= size;
            if !is_full || select.filter.is_some() {
                let row = table.row(&plan, entry, value, &mut scratch)?;
                if !select.passes(&row) {
                    return Ok(ControlFlow::Continue(()));
                }
                if !is_full {
                    page.rows.push(row);
                    last.clear();
                    last.extend_from_slice(entry);
                    return Ok(end_at(false));
                }
            }
            is_last = false;
            Ok(end_at(true))
        })?;
        if !is_last {
            page.next = Some(match (last.get(PREFIX_BYTES..), &select.after) {
                (None, Some(after)) => after.clone(),
                (last, _) => Cursor::new(&select, last.unwrap_or_default()),
            });
        }
        Ok(page)
    }

    /// Calls `visit` with the selected rows one after another, in constant memory; `Break` ends the visit.
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`]; the rows before the error were visited.
    pub fn for_each<V: View>(
        &self,
        select: Select<V>,
        mut visit: impl FnMut(V) -> ControlFlow<()>,
    ) -> Result<(), ViewError> {
        let table = self.table::<V>()?;
        let plan = ScanPlan::of(&select, table.table)?;
        let mut left = select.limit.unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(());
        }
        let mut scratch = Vec::new();
        table.entries(&plan, &mut |entry, value| {
            let row = table.row(&plan, entry, value, &mut scratch)?;
            if !select.passes(&row) {
                return Ok(ControlFlow::Continue(()));
            }
            left -= 1;
            Ok(match visit(row) {
                ControlFlow::Continue(()) => end_at(left == 0),
                end => end,
            })
        })
    }

    /// Returns the place up to which the views of a projection in this snapshot include the main log: [`Place::START`] until
    /// they are built.
    ///
    /// # Errors
    /// When the checkpoint of the projection, or the store, cannot be read.
    pub fn place_of<P: Projection<Store = Views>>(&self) -> Result<Place, ViewError> {
        self.place_in::<P>(LogId::MAIN)
    }

    /// Returns the [place](Self::place_of) in another log than the main one, for stores with several.
    ///
    /// # Errors
    /// As [`place_of`](Self::place_of).
    pub fn place_in<P: Projection<Store = Views>>(&self, log: LogId) -> Result<Place, ViewError> {
        let keys = Keys::new("projection", P::NAME);
        let about: Option<AboutProjection> = self.note(&keys.about())?;
        let Some(generation) = about.and_then(|about| about.seen()) else {
            return Ok(Place::new(log, Position::ZERO));
        };
        let checkpoint: Option<Checkpoint> = self.note(&keys.checkpoint(generation, log, 0))?;
        let position = checkpoint.map_or(0, |at| at.position);
        Ok(Place::new(log, Position(position)))
    }

    fn note<N: DeserializeOwned>(&self, key: &str) -> Result<Option<N>, ViewError> {
        let Some(note) = self.entries.get(key.as_bytes())? else {
            return Ok(None);
        };
        let note = consumer_notes::read(key, &text(key, note)?);
        note.map(Some).map_err(|error| ViewError::DamagedNote {
            note: key.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Returns the table of a view that readers see.
    fn table<V: View>(&self) -> Result<TableReader<'_, V>, ViewError> {
        let key = layout::view_note(V::NAME);
        let Some(note) = self.entries.get(key.as_bytes())? else {
            return Err(ViewError::NotBuilt { view: V::NAME });
        };
        Ok(TableReader {
            entries: &*self.entries,
            table: self.known.table::<V>(&key, note)?,
            view: PhantomData,
        })
    }
}

fn end_at(is_end: bool) -> ControlFlow<()> {
    if is_end {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

impl fmt::Debug for ViewSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewSnapshot").finish_non_exhaustive()
    }
}
