//! Transactions on the entries of any store: reads are remembered, and must still hold at the commit.

use super::{EntryError, EntryWrite, ReadEntries, Store};
use crate::error::StoreError;
use crate::projection::{Generation, ViewStore};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The entries of a store as a place for notes.
pub(crate) struct StoreNotes<S>(pub(crate) S);

/// What was read, and what is to be written.
#[derive(Default)]
pub(crate) struct NotesTransaction {
    write: EntryWrite,
    changes: BTreeMap<String, Option<String>>,
}

impl NotesTransaction {
    /// What was read, as expectations, and what is changed.
    pub(crate) fn into_write(self) -> EntryWrite {
        let mut write = self.write;
        for (key, value) in self.changes {
            write.set(key.into_bytes(), value.map(String::into_bytes));
        }
        write
    }
}

fn text(key: &str, value: Vec<u8>) -> Result<String, EntryError> {
    String::from_utf8(value).map_err(|error| {
        EntryError::Store(StoreError::Backend {
            action: "read an entry",
            cause: format!("the entry \"{key}\" is not text ({error})").into(),
        })
    })
}

impl<S: Store> ViewStore for StoreNotes<S> {
    type Transaction = NotesTransaction;
    type Error = EntryError;

    async fn begin(&self, _: &Generation) -> Result<NotesTransaction, EntryError> {
        Ok(NotesTransaction::default())
    }

    async fn get(
        &self,
        transaction: &mut NotesTransaction,
        key: &str,
    ) -> Result<Option<String>, EntryError> {
        if let Some(changed) = transaction.changes.get(key) {
            return Ok(changed.clone());
        }
        if let Some(read) = transaction.write.expected().get(key.as_bytes()) {
            return read.clone().map(|value| text(key, value)).transpose();
        }
        let mut found = None;
        self.0
            .read_entries(&ReadEntries::key(key.as_bytes()), &mut |_, value| {
                found = Some(value.to_vec());
                ControlFlow::Break(())
            })
            .await?;
        let write = std::mem::take(&mut transaction.write);
        transaction.write = write.expect(key.as_bytes(), found.as_deref());
        found.map(|value| text(key, value)).transpose()
    }

    async fn put(
        &self,
        transaction: &mut NotesTransaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), EntryError> {
        let value = value.map(ToOwned::to_owned);
        transaction.changes.insert(key.to_owned(), value);
        Ok(())
    }

    async fn list(
        &self,
        transaction: &mut NotesTransaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, EntryError> {
        let mut found = BTreeMap::new();
        let mut all = Vec::new();
        self.0
            .read_entries(
                &ReadEntries::prefix(prefix.as_bytes()),
                &mut |key, value| {
                    all.push((key.to_vec(), value.to_vec()));
                    ControlFlow::Continue(())
                },
            )
            .await?;
        for (key, value) in all {
            // What was read first is what must still hold.
            if !transaction.write.expected().contains_key(&key) {
                let write = std::mem::take(&mut transaction.write);
                transaction.write = write.expect(&key, Some(&value));
            }
            let key = text(prefix, key)?;
            let value = text(&key, value)?;
            found.insert(key, value);
        }
        for (key, value) in &transaction.changes {
            if key.starts_with(prefix) {
                match value {
                    Some(value) => found.insert(key.clone(), value.clone()),
                    None => found.remove(key),
                };
            }
        }
        Ok(found.into_iter().collect())
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
        let mut page = Vec::new();
        let each = &mut |key: &[u8], value: &[u8]| {
            page.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        };
        self.0.read_entries(&read, each).await?;
        let page = page.into_iter().map(|(key, value)| {
            let key = text(prefix, key)?;
            let value = text(&key, value)?;
            Ok((key, value))
        });
        page.collect()
    }

    fn is_conflict(&self, error: &EntryError) -> bool {
        matches!(error, EntryError::Changed { .. })
    }

    async fn commit(&self, transaction: NotesTransaction) -> Result<(), EntryError> {
        self.0.write_entries(transaction.into_write()).await
    }
}
