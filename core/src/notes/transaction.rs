//! A transaction on notes: what it read, which must still hold at the commit, and its changes.

use crate::store::EntryWrite;
use crate::store::entry_changes::UnsortedChanges;
use std::collections::BTreeMap;
use std::ops::Bound;

/// Notes by their keys; `None` for those that there are not.
pub(crate) type Texts = BTreeMap<String, Option<String>>;

/// A transaction on the notes in a [store](super::StoreNotes): the notes it read, and its changes.
///
/// It sees its own changes. The notes it read must be unchanged at the commit.
#[derive(Debug, Default)]
pub struct NotesTransaction {
    read: Texts,
    changed: Texts,
}

impl NotesTransaction {
    /// Returns a note that was changed or read before; `None` when it must be read now.
    pub(crate) fn known(&self, key: &str) -> Option<&Option<String>> {
        self.changed.get(key).or_else(|| self.read.get(key))
    }

    /// Records a note as stored. The first value read is the one that must still hold.
    pub(crate) fn take_in(&mut self, key: &str, stored: Option<&str>) {
        if !self.read.contains_key(key) {
            self.read
                .insert(key.to_owned(), stored.map(ToOwned::to_owned));
        }
    }

    /// Records all notes stored under a prefix. Returns them with the changes of the transaction, in the order of
    /// keys.
    pub(crate) fn list(
        &mut self,
        prefix: &str,
        stored: Vec<(String, String)>,
    ) -> Vec<(String, String)> {
        for (key, note) in &stored {
            self.take_in(key, Some(note));
        }
        let mut notes: BTreeMap<_, _> = stored.into_iter().collect();
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let changed = self.changed.range::<str, _>(from);
        for (key, note) in changed.take_while(|(key, _)| key.starts_with(prefix)) {
            match note {
                Some(note) => notes.insert(key.clone(), note.clone()),
                None => notes.remove(key),
            };
        }
        notes.into_iter().collect()
    }

    /// Writes a note at the commit; `None` removes it.
    pub(crate) fn put(&mut self, key: &str, note: Option<&str>) {
        let note = note.map(ToOwned::to_owned);
        self.changed.insert(key.to_owned(), note);
    }

    /// Returns the notes that were read, and must be unchanged.
    pub(crate) const fn read(&self) -> &Texts {
        &self.read
    }

    /// Returns the notes that were read, and the changed ones.
    pub(crate) fn into_parts(self) -> (Texts, Texts) {
        (self.read, self.changed)
    }

    /// Returns the commit: the notes that were read as expectations, and the changes, together with other changes.
    pub(crate) fn into_write(self, mut changes: UnsortedChanges) -> EntryWrite {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_sees_its_own_changes_and_expects_what_it_read_first() {
        let mut notes = NotesTransaction::default();
        assert_eq!(notes.known("a/1"), None);
        notes.take_in("a/1", Some("one"));
        notes.take_in("a/1", Some("other"));
        assert_eq!(notes.known("a/1"), Some(&Some("one".to_owned())));
        notes.put("a/2", Some("two"));
        notes.put("a/3", None);
        notes.put("b/1", Some("of another prefix"));
        assert_eq!(notes.known("a/3"), Some(&None));
        let stored = [("a/1", "one"), ("a/3", "three"), ("a/4", "four")];
        let stored = stored.map(|(key, note)| (key.to_owned(), note.to_owned()));
        let seen = notes.list("a/", stored.into());
        let seen: Vec<_> = seen.iter().map(|(key, note)| (&**key, &**note)).collect();
        assert_eq!(seen, [("a/1", "one"), ("a/2", "two"), ("a/4", "four")]);

        let write = notes.into_write(UnsortedChanges::default());
        let expected = EntryWrite::new()
            .expect(b"a/1", Some(b"one"))
            .expect(b"a/3", Some(b"three"))
            .expect(b"a/4", Some(b"four"))
            .put(b"a/2", b"two")
            .remove(b"a/3")
            .put(b"b/1", b"of another prefix");
        assert_eq!(write, expected);
    }
}
