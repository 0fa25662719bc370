//! Views in the entries of an embedded store.

use super::cursor::Page;
use super::database::ViewDatabase;
use super::entries::{EmbeddedEntries, Entries};
use super::form::reads_as_well;
use super::lookup::KeyOf;
use super::select::Select;
use super::snapshot::ViewSnapshot;
use super::transaction::ViewTransaction;
use super::{View, ViewError, layout};
use crate::projection::ViewDefinition;
use crate::store::StoreError;
use crate::store::{EmbeddedStore, EntryError, EntrySnapshot, EntryWrite};
use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

/// Typed tables with indexes, kept alongside the events of an embedded store. Clones share them.
///
/// Projections write them; programs read them, either with single calls, or with several on one
/// [`snapshot`](Views::snapshot):
///
/// ```
/// use midgard::view::{Select, ViewError};
/// use midgard::{View, Views};
///
/// fn dashboard<V: View<Key = u64>>(views: &Views) -> Result<(u64, Option<V>), ViewError> {
///     let views = views.snapshot()?;
///     Ok((views.count(Select::<V>::all())?, views.get(7)?))
/// }
///
/// let views = Views::new(midgard::MemoryStore::new());
/// # #[derive(serde::Serialize, serde::Deserialize, View)]
/// # #[view(key = id)]
/// # struct Customer { id: u64 }
/// let error = dashboard::<Customer>(&views).err().unwrap();
/// assert_eq!(error.to_string(), "view \"customer\" has not been built yet; run its projection");
/// ```
#[derive(Clone)]
pub struct Views(Arc<Shared>);

struct Shared {
    kept: Kept,
    known: Arc<Known>,
}

/// Where the rows are.
enum Kept {
    Embedded(Box<dyn Embedded>),
    Database(Arc<dyn ViewDatabase>),
}

/// A store that is used for its entries only.
trait Embedded: Send + Sync {
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError>;
    fn write(
        &self,
        write: EntryWrite,
    ) -> Pin<Box<dyn Future<Output = Result<(), EntryError>> + Send + '_>>;
}

impl<S: EmbeddedStore> Embedded for S {
    fn snapshot(&self) -> Result<Box<dyn EntrySnapshot>, StoreError> {
        EmbeddedStore::snapshot(self)
    }

    fn write(
        &self,
        write: EntryWrite,
    ) -> Pin<Box<dyn Future<Output = Result<(), EntryError>> + Send + '_>> {
        Box::pin(self.write_entries(write))
    }
}

impl Views {
    /// Opens the views in the entries of a store. Stores are cheap to clone: pass `store.clone()`.
    #[must_use]
    pub fn new(store: impl EmbeddedStore) -> Self {
        Views::kept(Kept::Embedded(Box::new(store)))
    }

    /// Opens the views in a database, for projections alone: the database's own type reads them, as it must wait for each
    /// read. What reads here returns [`ViewError::InDatabase`].
    #[must_use]
    pub fn in_database(database: Arc<dyn ViewDatabase>) -> Self {
        Views::kept(Kept::Database(database))
    }

    fn kept(kept: Kept) -> Self {
        Views(Arc::new(Shared {
            kept,
            known: Arc::default(),
        }))
    }

    /// Returns a snapshot of all views as they are now, with all changes of a transaction or none. Drop it soon: the space of
    /// the rows that it sees is not reused until then.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn snapshot(&self) -> Result<ViewSnapshot, ViewError> {
        Ok(ViewSnapshot::new(self.entries()?, self.0.known.clone()))
    }

    /// Returns the row of a key, like [`ViewSnapshot::get`].
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn get<V: View>(&self, key: impl KeyOf<V::Key>) -> Result<Option<V>, ViewError> {
        self.snapshot()?.get(key)
    }

    /// Returns the selected rows, like [`ViewSnapshot::select`].
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn select<V: View>(&self, select: Select<V>) -> Result<Vec<V>, ViewError> {
        self.snapshot()?.select(select)
    }

    /// Returns the first of the selected rows, like [`ViewSnapshot::first`].
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn first<V: View>(&self, select: Select<V>) -> Result<Option<V>, ViewError> {
        self.snapshot()?.first(select)
    }

    /// Counts the selected rows, like [`ViewSnapshot::count`].
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn count<V: View>(&self, select: Select<V>) -> Result<u64, ViewError> {
        self.snapshot()?.count(select)
    }

    /// Returns a page of the selected rows, like [`ViewSnapshot::page`].
    ///
    /// # Errors
    /// As [`ViewSnapshot::page`].
    pub fn page<V: View>(&self, select: Select<V>) -> Result<Page<V>, ViewError> {
        self.snapshot()?.page(select)
    }

    /// Visits the selected rows one after another, like [`ViewSnapshot::for_each`].
    ///
    /// # Errors
    /// As [`ViewSnapshot::get`].
    pub fn for_each<V: View>(
        &self,
        select: Select<V>,
        visit: impl FnMut(V) -> ControlFlow<()>,
    ) -> Result<(), ViewError> {
        self.snapshot()?.for_each(select, visit)
    }

    pub(super) fn entries(&self) -> Result<Box<dyn EntrySnapshot>, ViewError> {
        match &self.0.kept {
            Kept::Embedded(store) => Ok(store.snapshot()?),
            Kept::Database(_) => Err(ViewError::InDatabase),
        }
    }

    /// Returns the entries for a transaction.
    pub(super) fn transaction_entries(&self) -> Result<Entries, ViewError> {
        Ok(match &self.0.kept {
            Kept::Embedded(store) => {
                Entries::Embedded(EmbeddedEntries::new(self.clone(), store.snapshot()?))
            }
            Kept::Database(database) => Entries::loaded(database.clone()),
        })
    }

    /// Returns the entries for a transaction that only reads, as they are now.
    pub(super) async fn reading_entries(&self) -> Result<Entries, ViewError> {
        match &self.0.kept {
            Kept::Embedded(_) => self.transaction_entries(),
            Kept::Database(database) => Ok(Entries::loaded(database.snapshot().await?)),
        }
    }

    /// Writes all changes of a transaction.
    pub(super) async fn write(&self, transaction: ViewTransaction) -> Result<(), ViewError> {
        match &self.0.kept {
            Kept::Embedded(store) => {
                let write = transaction.into_write()?;
                if write.changes().is_empty() {
                    return Ok(());
                }
                Ok(store.write(write).await?)
            }
            Kept::Database(database) => {
                let mut transaction = transaction;
                // A check may need rows that were not read, if the last event was not checked.
                transaction.with_loaded(ViewTransaction::check).await?;
                let write = transaction.into_view_write()?;
                if write.is_empty() {
                    return Ok(());
                }
                database.write(write).await
            }
        }
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").finish_non_exhaustive()
    }
}

/// Notes that were found to match a view type, so that they are not parsed at each read.
#[derive(Default)]
pub(super) struct Known(RwLock<HashMap<TypeId, KnownNote>>);

struct KnownNote {
    note: Box<[u8]>,
    table: u32,
}

impl Known {
    /// Returns the table of a view that readers see, by the bytes of the view's note.
    pub(super) fn table<V: View>(&self, key: &str, note: &[u8]) -> Result<u32, ViewError> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match known.get(&TypeId::of::<V>()) {
            Some(known) if *known.note == *note => return Ok(known.table),
            _ => drop(known),
        }
        let layout::ViewNote { table, form, .. } = layout::parse(key, note)?;
        if !reads_as_well::<V>(&form) {
            check_form::<V>(form)?;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let note = note.into();
        known.insert(TypeId::of::<V>(), KnownNote { note, table });
        Ok(table)
    }
}

/// Refuses rows that were written with another definition than that of `V`.
pub(super) fn check_form<V: View>(stored: String) -> Result<(), ViewError> {
    let expected = ViewDefinition::of::<V>().form;
    if stored == expected {
        return Ok(());
    }
    Err(ViewError::OtherDefinition {
        view: V::NAME,
        stored,
        expected,
    })
}
