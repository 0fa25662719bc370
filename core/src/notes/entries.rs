//! The entries of any store as a store for notes.

use super::{NoteStore, NotesTransaction};
use crate::store::entry_changes::UnsortedChanges;
use crate::store::{EntryError, ReadEntries, Store, StoreError};
use std::ops::ControlFlow;

/// Stores notes as entries of a store, for subscriptions, process managers, inboxes and outboxes.
///
/// ```
/// use midgard::MemoryStore;
/// use midgard::notes::{NoteStore, StoreNotes};
///
/// # midgard::block_on(async {
/// let notes = StoreNotes::of(MemoryStore::new());
/// let mut transaction = notes.begin_read().await?;
/// let about = notes.get(&mut transaction, "subscription/mailer/about").await?;
/// assert!(about.is_none()); // it was never run
/// # Ok::<_, midgard::store::EntryError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct StoreNotes<S>(S);

impl<S> StoreNotes<S> {
    /// Creates a store for notes in a store.
    pub const fn of(store: S) -> Self {
        StoreNotes(store)
    }

    /// Returns the underlying store.
    pub(crate) const fn store(&self) -> &S {
        &self.0
    }
}

impl<S: Store> StoreNotes<S> {
    /// Reads notes as they are stored.
    async fn read(&self, read: &ReadEntries) -> Result<Vec<(String, String)>, EntryError> {
        let mut entries = Vec::new();
        let each = &mut |key: &[u8], note: &[u8]| {
            entries.push((key.to_vec(), note.to_vec()));
            ControlFlow::Continue(())
        };
        self.0.read_entries(read, each).await?;
        let notes = entries.into_iter().map(|(key, note)| {
            let key = text("a key", key)?;
            let note = text(&key, note)?;
            Ok((key, note))
        });
        notes.collect()
    }
}

fn text(key: &str, bytes: Vec<u8>) -> Result<String, EntryError> {
    String::from_utf8(bytes).map_err(|error| {
        EntryError::Store(StoreError::Backend {
            action: "read an entry",
            cause: format!("the entry \"{key}\" is not text ({error})").into(),
        })
    })
}

impl<S: Store> NoteStore for StoreNotes<S> {
    type Transaction = NotesTransaction;
    type Error = EntryError;

    async fn begin(&self) -> Result<NotesTransaction, EntryError> {
        Ok(NotesTransaction::default())
    }

    async fn get(
        &self,
        transaction: &mut NotesTransaction,
        key: &str,
    ) -> Result<Option<String>, EntryError> {
        if let Some(known) = transaction.known(key) {
            return Ok(known.clone());
        }
        let mut note = None;
        let each = &mut |_: &[u8], stored: &[u8]| {
            note = Some(stored.to_vec());
            ControlFlow::Break(())
        };
        let read = ReadEntries::key(key.as_bytes());
        self.0.read_entries(&read, each).await?;
        let note = note.map(|note| text(key, note)).transpose()?;
        transaction.take_in(key, note.as_deref());
        Ok(note)
    }

    async fn put(
        &self,
        transaction: &mut NotesTransaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), EntryError> {
        transaction.put(key, value);
        Ok(())
    }

    async fn list(
        &self,
        transaction: &mut NotesTransaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, EntryError> {
        let stored = self.read(&ReadEntries::prefix(prefix.as_bytes())).await?;
        Ok(transaction.list(prefix, stored))
    }

    async fn list_page(
        &self,
        _: &mut NotesTransaction,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, EntryError> {
        let mut read = ReadEntries::prefix(prefix.as_bytes()).limit(limit);
        if after > prefix {
            read = read.after(after.as_bytes());
        }
        self.read(&read).await
    }

    fn is_conflict(&self, error: &EntryError) -> bool {
        matches!(error, EntryError::Changed { .. })
    }

    async fn commit(&self, transaction: NotesTransaction) -> Result<(), EntryError> {
        let write = transaction.into_write(UnsortedChanges::default());
        self.0.write_entries(write).await
    }
}
