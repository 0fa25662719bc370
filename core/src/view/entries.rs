//! The entries that a transaction of views reads, in a snapshot that it releases while its handler waits.

use super::ViewError;
use super::views::Views;
use crate::notes::{Held, Reading};
use crate::store::EntrySnapshot;
use std::collections::BTreeMap;

/// The entries of a transaction.
pub(super) struct Entries {
    views: Views,
    held: Held,
}

impl Entries {
    pub(super) fn new(views: Views, snapshot: Box<dyn EntrySnapshot>) -> Self {
        Entries {
            views,
            held: Held::new(snapshot),
        }
    }

    pub(super) const fn held(&self) -> &Held {
        &self.held
    }

    /// Returns the snapshot, or a new one if it was released. A new one must have the same notes as were read before.
    pub(super) fn read(
        &self,
        notes: &BTreeMap<String, Option<String>>,
    ) -> Result<Reading<'_>, ViewError> {
        let mut changed = None;
        let reading = self.held.read(|| {
            let snapshot = self.views.entries()?;
            for (key, note) in notes {
                if snapshot.get(key.as_bytes())? != note.as_deref().map(str::as_bytes) {
                    changed = Some(key.clone());
                    return Ok::<_, ViewError>(None);
                }
            }
            Ok(Some(snapshot))
        })?;
        reading.ok_or_else(|| ViewError::Changed {
            note: changed.unwrap_or_default(),
        })
    }
}
