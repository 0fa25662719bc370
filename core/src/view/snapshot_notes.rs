//! The notes of a transaction on views: texts by key, read from a snapshot.

use super::ViewError;
use super::database::{LoadedEntries, NotesRange};
use super::entries::{Entries, ReadingEntries};
use crate::notes::{Held, NotesTransaction, Texts};
use crate::store::entry_changes::UnsortedChanges;
use crate::store::{Direction, EntryWrite, after_prefix};
use std::ops::{Bound, ControlFlow};

/// Notes as a transaction sees them: those of its snapshot, with its own changes.
pub(super) struct SnapshotNotes {
    entries: Entries,
    notes: NotesTransaction,
}

impl SnapshotNotes {
    pub(super) fn new(entries: Entries) -> Self {
        SnapshotNotes {
            entries,
            notes: NotesTransaction::default(),
        }
    }

    /// Returns the snapshot for reading.
    pub(super) fn entries(&self) -> Result<ReadingEntries<'_>, ViewError> {
        self.entries.read(self.notes.read())
    }

    /// Returns the holder of a snapshot that can be released.
    pub(super) const fn held(&self) -> Option<&Held> {
        self.entries.held()
    }

    /// Returns what was read of a database, if the views are in one.
    pub(super) fn loaded(&self) -> Option<&LoadedEntries> {
        match &self.entries {
            Entries::Embedded(_) => None,
            Entries::Loaded(loaded) => Some(loaded),
        }
    }

    pub(super) fn loaded_mut(&mut self) -> Option<&mut LoadedEntries> {
        match &mut self.entries {
            Entries::Embedded(_) => None,
            Entries::Loaded(loaded) => Some(loaded),
        }
    }

    /// Reads what was asked for and is not loaded yet.
    pub(super) async fn load(&mut self) -> Result<(), ViewError> {
        match &mut self.entries {
            Entries::Embedded(_) => Ok(()),
            Entries::Loaded(loaded) => loaded.load(self.notes.read()).await,
        }
    }

    pub(super) fn get(&mut self, key: &str) -> Result<Option<String>, ViewError> {
        if let Some(known) = self.notes.known(key) {
            return Ok(known.clone());
        }
        let entries = self.entries()?;
        let note = entries.get(key.as_bytes())?;
        let note = note.map(|note| text(key, note)).transpose()?;
        drop(entries);
        self.notes.take_in(key, note.as_deref());
        Ok(note)
    }

    pub(super) fn put(&mut self, key: &str, value: Option<&str>) {
        self.notes.put(key, value);
    }

    pub(super) fn list(&mut self, prefix: &str) -> Result<Vec<(String, String)>, ViewError> {
        let stored = self.stored(prefix)?;
        Ok(self.notes.list(prefix, stored))
    }

    /// Returns notes of the snapshot, on which the commit does not rely.
    pub(super) fn stored(&self, prefix: &str) -> Result<Vec<(String, String)>, ViewError> {
        self.stored_after(prefix, "", usize::MAX)
    }

    /// Returns at most `limit` of them, after a key.
    pub(super) fn stored_after(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, ViewError> {
        if let Some(loaded) = self.loaded() {
            return loaded.notes(NotesRange::new(prefix, after, limit));
        }
        let from = if after > prefix {
            Bound::Excluded(after.as_bytes())
        } else {
            Bound::Included(prefix.as_bytes())
        };
        let (mut notes, mut failed) = (Vec::new(), None);
        // No text has the byte FF, where rows begin.
        let to = match after_prefix(prefix.as_bytes()) {
            Bound::Unbounded => Bound::Excluded(vec![0xFF]),
            end => end,
        };
        self.entries()?.scan(
            from,
            to.as_ref().map(Vec::as_slice),
            Direction::Forward,
            &mut |key, note| {
                if notes.len() == limit {
                    return ControlFlow::Break(());
                }
                let key = String::from_utf8_lossy(key);
                match text(&key, note) {
                    Ok(note) => notes.push((key.into_owned(), note)),
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            },
        )?;
        failed.map_or(Ok(notes), Err)
    }

    /// Returns the notes that were read, and the changed ones.
    pub(super) fn into_parts(self) -> (Texts, Texts) {
        self.notes.into_parts()
    }

    /// Joins the changed and the read notes with other changes.
    pub(super) fn into_write(self, changes: UnsortedChanges) -> EntryWrite {
        self.notes.into_write(changes)
    }
}

pub(super) fn text(key: &str, note: &[u8]) -> Result<String, ViewError> {
    let text = str::from_utf8(note).map_err(|error| ViewError::DamagedNote {
        note: key.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(text.to_owned())
}
