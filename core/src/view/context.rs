//! Views as the handlers of a projection see them.

use super::lookup::KeyOf;
use super::select::Select;
use super::views::Views;
use super::{View, ViewError};
use crate::projection::{Context, Keeps, Projection};

/// The rows of the views that the projection lists.
impl<P: Projection<Store = Views>> Context<'_, P> {
    /// Returns the row of a key.
    ///
    /// # Errors
    /// When the stored row or the store cannot be read.
    pub fn get<V: View>(&mut self, key: impl KeyOf<V::Key>) -> Result<Option<&V>, ViewError>
    where
        P: Keeps<V>,
    {
        self.transaction().get(key)
    }

    /// Inserts a row, or replaces the one that has its key.
    ///
    /// # Errors
    /// As [`ViewTransaction::put`](super::ViewTransaction::put).
    pub fn put<V: View>(&mut self, row: V) -> Result<(), ViewError>
    where
        P: Keeps<V>,
    {
        self.transaction().put(row)
    }

    /// Removes a row; returns whether there was one.
    ///
    /// # Errors
    /// As [`ViewTransaction::get`](super::ViewTransaction::get).
    pub fn remove<V: View>(&mut self, key: impl KeyOf<V::Key>) -> Result<bool, ViewError>
    where
        P: Keeps<V>,
    {
        self.transaction().remove::<V>(key)
    }

    /// Creates the row of a key if it does not exist, and then changes it.
    ///
    /// # Errors
    /// As [`ViewTransaction::upsert`](super::ViewTransaction::upsert).
    pub fn upsert<V: View>(
        &mut self,
        key: impl KeyOf<V::Key>,
        make: impl FnOnce() -> V,
        change: impl FnOnce(&mut V),
    ) -> Result<(), ViewError>
    where
        P: Keeps<V>,
    {
        self.transaction().upsert(key, make, change)
    }

    /// Changes a row; returns whether there was one.
    ///
    /// # Errors
    /// As [`ViewTransaction::upsert`](super::ViewTransaction::upsert).
    pub fn update<V: View>(
        &mut self,
        key: impl KeyOf<V::Key>,
        change: impl FnOnce(&mut V),
    ) -> Result<bool, ViewError>
    where
        P: Keeps<V>,
    {
        self.transaction().update(key, change)
    }

    /// Returns the selected rows, including the changes of this transaction.
    ///
    /// # Errors
    /// As [`ViewTransaction::get`](super::ViewTransaction::get).
    pub fn select<V: View>(&mut self, select: Select<V>) -> Result<Vec<V>, ViewError>
    where
        P: Keeps<V>,
    {
        self.transaction().select(select)
    }
}
