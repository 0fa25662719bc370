//! The notes of a transaction: texts by key, and what was read of them.

use super::ViewError;
use super::held::Entries;
use crate::notes::{Held, Reading};
use crate::store::entry_changes::UnsortedChanges;
use crate::store::{Direction, EntryWrite, after_prefix};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// Notes as a transaction sees them: those of its snapshot, with its own changes.
pub(super) struct Notes {
    entries: Entries,
    /// What was read from the snapshot, and must still be so at the commit.
    read: BTreeMap<String, Option<String>>,
    changed: BTreeMap<String, Option<String>>,
}

impl Notes {
    pub(super) const fn new(entries: Entries) -> Self {
        Notes {
            entries,
            read: BTreeMap::new(),
            changed: BTreeMap::new(),
        }
    }

    /// The snapshot, as long as it is read.
    pub(super) fn entries(&self) -> Result<Reading<'_>, ViewError> {
        self.entries.read(&self.read)
    }

    /// The snapshot, to be given back.
    pub(super) const fn held(&self) -> &Held {
        self.entries.held()
    }

    pub(super) fn get(&mut self, key: &str) -> Result<Option<String>, ViewError> {
        if let Some(changed) = self.changed.get(key) {
            return Ok(changed.clone());
        }
        if let Some(read) = self.read.get(key) {
            return Ok(read.clone());
        }
        let entries = self.entries.read(&self.read)?;
        let note = entries.get(key.as_bytes())?;
        let note = note.map(|note| text(key, note)).transpose()?;
        drop(entries);
        self.read.insert(key.to_owned(), note.clone());
        Ok(note)
    }

    pub(super) fn put(&mut self, key: &str, value: Option<&str>) {
        self.changed
            .insert(key.to_owned(), value.map(str::to_owned));
    }

    pub(super) fn list(&mut self, prefix: &str) -> Result<Vec<(String, String)>, ViewError> {
        let stored = self.stored(prefix)?;
        let mut notes = BTreeMap::new();
        for (key, note) in stored {
            if !self.changed.contains_key(&key) {
                self.read.insert(key.clone(), Some(note.clone()));
            }
            notes.insert(key, note);
        }
        let changed = self
            .changed
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        for (key, note) in changed.take_while(|(key, _)| key.starts_with(prefix)) {
            match note {
                Some(note) => notes.insert(key.clone(), note.clone()),
                None => notes.remove(key),
            };
        }
        Ok(notes.into_iter().collect())
    }

    /// The notes of the snapshot, which the commit does not rely on.
    pub(super) fn stored(&self, prefix: &str) -> Result<Vec<(String, String)>, ViewError> {
        self.stored_after(prefix, "", usize::MAX)
    }

    /// At most so many of them, after a key.
    pub(super) fn stored_after(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, ViewError> {
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

    /// Puts what has changed and what was read together with other changes, and gives the snapshot back.
    pub(super) fn into_write(self, mut changes: UnsortedChanges) -> EntryWrite {
        for (key, note) in &self.changed {
            changes.push(key.as_bytes(), note.as_deref().map(str::as_bytes));
        }
        let mut write = EntryWrite::of(changes.sorted());
        for (key, note) in self.read {
            write = write.expect(key.as_bytes(), note.as_deref().map(str::as_bytes));
        }
        write
    }
}

pub(super) fn text(key: &str, note: &[u8]) -> Result<String, ViewError> {
    let text = str::from_utf8(note).map_err(|error| ViewError::DamagedNote {
        note: key.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(text.to_owned())
}
