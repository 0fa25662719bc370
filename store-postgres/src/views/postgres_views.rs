//! Views in PostgreSQL, as programs open and read them.

// Selections and keys are passed by value, so that calls read as they should.
#![allow(clippy::needless_pass_by_value)]

use super::database::{Database, SharedDatabase};
use super::names::Schema;
use super::snapshot::PostgresViewSnapshot;
use crate::connections::Connections;
use crate::{PostgresOptions, runtime};
use midgard::view::{KeptProjection, KeyOf, Page, Select, ViewError};
use midgard::{View, Views};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Views in PostgreSQL: each view is a table, with columns and indexes for its key and its indexes.
#[derive(Clone)]
pub struct PostgresViews {
    database: Arc<Database>,
    views: Views,
}

impl PostgresViews {
    /// Opens the views of a database, and creates their schema if it is missing. Must be called within a tokio runtime,
    /// which makes the connections from then on.
    ///
    /// # Errors
    /// When the address is malformed, the server cannot be reached or refuses the login, the schema cannot be created, or
    /// it was written by a newer release.
    pub async fn open(address: impl AsRef<str>) -> Result<Self, ViewError> {
        Self::open_with(&PostgresOptions::new(address)).await
    }

    /// Opens the views with other options than the usual ones. They are in the schema that is called as the one of the
    /// options with `_views` behind it: `midgard_views`, if nothing else was set.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_with(options: &PostgresOptions) -> Result<Self, ViewError> {
        let database = Database {
            connections: Connections::new(options)?,
            schema: Schema::new(&format!("{}_views", options.schema)),
            runtime: runtime::current()?,
        };
        database.create(options.creates_schema).await?;
        let database = Arc::new(database);
        Ok(PostgresViews {
            views: Views::in_database(Arc::new(SharedDatabase(database.clone()))),
            database,
        })
    }

    /// Returns these views as projections take them.
    #[must_use]
    pub fn for_projections(&self) -> Views {
        self.views.clone()
    }

    /// Returns a snapshot: all views as they are now, whatever is written later. It has a connection for itself until it is
    /// dropped, and the server keeps the rows that it sees.
    ///
    /// # Errors
    /// When the server cannot be reached, or all connections are in use for too long.
    pub async fn snapshot(&self) -> Result<PostgresViewSnapshot, ViewError> {
        let snapshot = self.database.reading();
        let transaction = runtime::within(&self.database.runtime, snapshot).await?;
        Ok(PostgresViewSnapshot::new(
            self.database.clone(),
            transaction,
        ))
    }

    /// Returns the row of a key.
    ///
    /// # Errors
    /// [`ViewError::NotBuilt`] when no projection has made the view yet, [`ViewError::OtherDefinition`] when it is stored
    /// with another definition, or another variant when a row cannot be read, or the server cannot be reached.
    pub async fn get<V: View>(
        &self,
        key: impl KeyOf<V::Key> + Send,
    ) -> Result<Option<V>, ViewError> {
        let key = super::reading::key_bytes::<V>(&key);
        self.single().await?.row(&key).await
    }

    /// Returns the selected rows.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn select<V: View>(&self, select: Select<V>) -> Result<Vec<V>, ViewError> {
        self.snapshot().await?.select(select).await
    }

    /// Returns the first of the selected rows.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn first<V: View>(&self, select: Select<V>) -> Result<Option<V>, ViewError> {
        self.snapshot().await?.first(select).await
    }

    /// Counts the selected rows. Rows are only read if there is a filter.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn count<V: View>(&self, select: Select<V>) -> Result<u64, ViewError> {
        self.snapshot().await?.count(select).await
    }

    /// Returns a page of the selected rows, as many as the limit or 100, and where the next page begins.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`ViewError::OtherCursor`] when the cursor belongs to another selection.
    pub async fn page<V: View>(&self, select: Select<V>) -> Result<Page<V>, ViewError> {
        self.snapshot().await?.page(select).await
    }

    /// Calls `visit` with the selected rows one after another, some hundreds of which are in memory at a time; `Break` ends
    /// the visit.
    ///
    /// # Errors
    /// As [`get`](Self::get); the rows before the error were visited.
    pub async fn for_each<V: View>(
        &self,
        select: Select<V>,
        visit: impl FnMut(V) -> ControlFlow<()> + Send,
    ) -> Result<(), ViewError> {
        self.snapshot().await?.for_each(select, visit).await
    }

    /// Returns all projections that have stored something here, as [`Views::projections`].
    ///
    /// # Errors
    /// When the notes cannot be read.
    pub async fn projections(&self) -> Result<Vec<KeptProjection>, ViewError> {
        self.views.projections().await
    }

    /// Renames a projection with all that it has stored, as [`Views::rename_projection`].
    ///
    /// # Errors
    /// As [`Views::rename_projection`].
    pub async fn rename_projection(&self, from: &str, to: &str) -> Result<bool, ViewError> {
        self.views.rename_projection(from, to).await
    }

    /// Removes everything that a projection has stored, as [`Views::remove_projection`].
    ///
    /// # Errors
    /// As [`Views::remove_projection`].
    pub async fn remove_projection(&self, name: &str) -> Result<bool, ViewError> {
        self.views.remove_projection(name).await
    }

    /// Returns a connection for a single read.
    async fn single(&self) -> Result<PostgresViewSnapshot, ViewError> {
        let connection = self.database.single();
        let transaction = runtime::within(&self.database.runtime, connection).await?;
        Ok(PostgresViewSnapshot::new(
            self.database.clone(),
            transaction,
        ))
    }
}

impl From<PostgresViews> for Views {
    fn from(views: PostgresViews) -> Self {
        views.views
    }
}

impl fmt::Debug for PostgresViews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresViews")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}
