//! The entries that a transaction of views reads, in a snapshot that it releases while its handler waits.

use super::ViewError;
use super::database::{LoadedEntries, ViewDatabase};
use super::views::Views;
use crate::notes::{Held, Reading};
use crate::store::EntrySnapshot;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// The entries of a transaction.
pub(super) enum Entries {
    /// In a snapshot of an embedded store.
    Embedded(EmbeddedEntries),
    /// Those that were read of a database.
    Loaded(Box<LoadedEntries>),
}

/// Entries while they are read.
pub(super) enum ReadingEntries<'a> {
    Embedded(Reading<'a>),
    Loaded(&'a LoadedEntries),
}

impl Deref for ReadingEntries<'_> {
    type Target = dyn EntrySnapshot;

    fn deref(&self) -> &Self::Target {
        match self {
            ReadingEntries::Embedded(reading) => &**reading,
            ReadingEntries::Loaded(loaded) => *loaded,
        }
    }
}

impl Entries {
    /// Begins with nothing read of a database.
    pub(super) fn loaded(database: Arc<dyn ViewDatabase>) -> Self {
        Entries::Loaded(Box::new(LoadedEntries::new(database)))
    }

    pub(super) const fn held(&self) -> Option<&Held> {
        match self {
            Entries::Embedded(embedded) => Some(&embedded.held),
            Entries::Loaded(_) => None,
        }
    }

    /// Returns the entries for reading. The notes that were read before are unchanged.
    pub(super) fn read(
        &self,
        notes: &BTreeMap<String, Option<String>>,
    ) -> Result<ReadingEntries<'_>, ViewError> {
        match self {
            Entries::Embedded(embedded) => embedded.read(notes).map(ReadingEntries::Embedded),
            Entries::Loaded(loaded) => Ok(ReadingEntries::Loaded(loaded)),
        }
    }
}

/// The entries of an embedded store.
pub(super) struct EmbeddedEntries {
    views: Views,
    held: Held,
}

impl EmbeddedEntries {
    pub(super) fn new(views: Views, snapshot: Box<dyn EntrySnapshot>) -> Self {
        EmbeddedEntries {
            views,
            held: Held::new(snapshot),
        }
    }

    /// Returns the snapshot, or a new one if it was released. A new one must have the same notes as were read before.
    fn read(&self, notes: &BTreeMap<String, Option<String>>) -> Result<Reading<'_>, ViewError> {
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
