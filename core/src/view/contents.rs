//! All rows of all views as they are stored, whatever their types.

use super::ViewError;
use super::layout::{self, ViewNote};
use super::views::Views;
use crate::notes::NoteStore as _;
use crate::store::{Direction, after_prefix};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

impl Views {
    /// Returns the rows that readers see, by the name of their view, as JSON in the order of their keys.
    pub(crate) async fn contents(&self) -> Result<BTreeMap<String, Vec<String>>, ViewError> {
        let notes = self.begin().await?.notes.list(&layout::view_note(""))?;
        let entries = self.entries()?;
        let mut contents = BTreeMap::new();
        for (key, note) in notes {
            let note: ViewNote = layout::parse(&key, note.as_bytes())?;
            let mut prefix = Vec::new();
            layout::begin(&mut prefix, note.table, None);
            let to = after_prefix(&prefix);
            let mut rows = Vec::new();
            let each = &mut |_: &[u8], row: &[u8]| {
                rows.push(String::from_utf8_lossy(row).into_owned());
                ControlFlow::Continue(())
            };
            let (from, to) = (Bound::Included(&*prefix), to.as_ref().map(|to| &**to));
            entries.scan(from, to, Direction::Forward, each)?;
            let view = key.strip_prefix("view/").unwrap_or(&key);
            contents.insert(view.to_owned(), rows);
        }
        Ok(contents)
    }
}
