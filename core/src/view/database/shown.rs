//! What a type that reads views from a database needs: which table readers see, and where cursors are.

use super::TableRef;
use crate::projection::TableDefinition;
use crate::view::cursor::{Cursor, PAGE};
use crate::view::form::reads_as_well;
use crate::view::layout::{self, ViewNote};
use crate::view::scan::ScanPlan;
use crate::view::select::Select;
use crate::view::views::check_form;
use crate::view::{KeyBytes, View, ViewError};
use std::sync::Arc;

/// How many rows a page has without a [`Select::limit`].
pub const PAGE_ROWS: usize = PAGE;

/// Returns the key of the note that names the table of a view which readers see.
#[must_use]
pub fn note_of<V: View>() -> String {
    layout::view_note(V::NAME)
}

/// Returns the table of a view that readers see, by that note.
///
/// # Errors
/// [`ViewError::NotBuilt`] when there is no note, [`ViewError::OtherDefinition`] when the table has rows of another
/// definition.
pub fn table_of<V: View>(note: Option<&str>) -> Result<TableRef, ViewError> {
    let Some(note) = note else {
        return Err(ViewError::NotBuilt { view: V::NAME });
    };
    let ViewNote { table, form, .. } = layout::parse(&note_of::<V>(), note.as_bytes())?;
    if !reads_as_well::<V>(&form) {
        check_form::<V>(form)?;
    }
    Ok(TableRef::new(table, Arc::new(TableDefinition::of::<V>())))
}

/// Returns the bytes of the row at which the cursor of a selection is, once they were found to fit: its value in the index,
/// and then its key, which is missing for a value that only one row may have.
///
/// # Errors
/// [`ViewError::OtherCursor`] when the cursor belongs to another selection, [`ViewError::UnknownIndex`].
pub fn cursor_position<V: View>(select: &Select<V>) -> Result<Option<Vec<u8>>, ViewError> {
    ScanPlan::of(select, 0)?;
    match &select.after {
        Some(cursor) => Ok(cursor.last(select)?.map(<[u8]>::to_vec)),
        None => Ok(None),
    }
}

/// Returns the cursor after a row of a selection; for `None`, where the selection begins.
#[must_use]
pub fn cursor_after<V: View>(select: &Select<V>, row: Option<&V>) -> Cursor {
    let mut last = KeyBytes::new();
    let Some(row) = row else {
        let start = || Cursor::new(select, &[]);
        return select.after.clone().unwrap_or_else(start);
    };
    let index = select.index.and_then(|index| V::INDEXES.get(index));
    if let Some(index) = index {
        (index.encode)(row, &mut last);
    }
    if index.is_none_or(|index| !index.is_claim(&last)) {
        row.encode_key(&mut last);
    }
    Cursor::new(select, last.as_bytes())
}
