//! Views in PostgreSQL as they were at one moment.

// Selections and keys are passed by value, so that calls read as they should.
#![allow(clippy::needless_pass_by_value)]

use super::columns::Columns;
use super::database::{Database, Transaction};
use super::reading::{Reading, decode, key_bytes};
use super::{notes, rows};
use midgard::View;
use midgard::view::database::{PAGE_ROWS, TableRef, cursor_after, note_of, table_of};
use midgard::view::{KeyOf, Page, Select, ViewError};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How many rows are read at once, at first and at most, where nobody knows how many are wanted.
const FIRST: usize = 256;
const MOST: usize = 8192;

/// All views as they were at one moment, whatever was written since.
pub struct PostgresViewSnapshot {
    database: Arc<Database>,
    transaction: Transaction,
}

impl PostgresViewSnapshot {
    pub(super) const fn new(database: Arc<Database>, transaction: Transaction) -> Self {
        PostgresViewSnapshot {
            database,
            transaction,
        }
    }

    /// Returns the row of a key.
    ///
    /// # Errors
    /// As [`PostgresViews::get`](super::PostgresViews::get).
    pub async fn get<V: View>(
        &mut self,
        key: impl KeyOf<V::Key> + Send,
    ) -> Result<Option<V>, ViewError> {
        let key = key_bytes::<V>(&key);
        self.row(&key).await
    }

    pub(super) async fn row<V: View>(&mut self, key: &[u8]) -> Result<Option<V>, ViewError> {
        let read = async {
            let (client, table) = (self.transaction.client()?, self.table::<V>().await?);
            let columns = Columns::of(&table.definition)?;
            let (schema, keys) = (&self.database.schema, [key.to_vec()]);
            rows::read(client, schema, &table, &columns.key, &keys).await
        };
        let rows = self.database.tasks.within(read).await?;
        rows.first().map(|(_, json)| decode(json)).transpose()
    }

    /// Returns the selected rows.
    ///
    /// # Errors
    /// As [`PostgresViews::get`](super::PostgresViews::get).
    pub async fn select<V: View>(&mut self, select: Select<V>) -> Result<Vec<V>, ViewError> {
        self.rows(&select).await
    }

    pub(super) async fn rows<V: View>(&mut self, select: &Select<V>) -> Result<Vec<V>, ViewError> {
        let mut rows = Vec::new();
        self.visit(select, &mut |row| {
            rows.push(row);
            ControlFlow::Continue(())
        })
        .await?;
        Ok(rows)
    }

    /// Returns the first of the selected rows.
    ///
    /// # Errors
    /// As [`PostgresViews::get`](super::PostgresViews::get).
    pub async fn first<V: View>(&mut self, select: Select<V>) -> Result<Option<V>, ViewError> {
        let limit = select.range().limit.map_or(1, |limit| limit.min(1));
        Ok(self.select(select.limit(limit)).await?.pop())
    }

    /// Counts the selected rows. Rows are only read if there is a filter.
    ///
    /// # Errors
    /// As [`PostgresViews::get`](super::PostgresViews::get).
    pub async fn count<V: View>(&mut self, select: Select<V>) -> Result<u64, ViewError> {
        self.count_of(&select).await
    }

    pub(super) async fn count_of<V: View>(&mut self, select: &Select<V>) -> Result<u64, ViewError> {
        if select.is_filtered() {
            let mut count = 0;
            self.visit(select, &mut |_| {
                count += 1;
                ControlFlow::Continue(())
            })
            .await?;
            return Ok(count);
        }
        let count = async {
            let table = self.table::<V>().await?;
            let client = self.transaction.client()?;
            let reading = Reading::new(&self.database, client, &table, select).await?;
            reading.count(select.range().limit).await
        };
        self.database.tasks.within(count).await
    }

    /// Returns a page of the selected rows, as many as the limit or 100, and where the next page begins. With a limit of 0,
    /// the next page begins where this one would have.
    ///
    /// # Errors
    /// As [`PostgresViews::page`](super::PostgresViews::page).
    pub async fn page<V: View>(&mut self, select: Select<V>) -> Result<Page<V>, ViewError> {
        let (select, size) = sized(select);
        self.page_of(&select, size).await
    }

    pub(super) async fn page_of<V: View>(
        &mut self,
        select: &Select<V>,
        size: usize,
    ) -> Result<Page<V>, ViewError> {
        let mut rows = self.rows(select).await?;
        let next = if rows.len() > size {
            rows.truncate(size);
            Some(cursor_after(select, rows.last()))
        } else {
            None
        };
        Ok(Page::of(rows, next))
    }

    /// Calls `visit` with the selected rows one after another; `Break` ends the visit.
    ///
    /// # Errors
    /// As [`PostgresViews::for_each`](super::PostgresViews::for_each).
    pub async fn for_each<V: View>(
        &mut self,
        select: Select<V>,
        mut visit: impl FnMut(V) -> ControlFlow<()> + Send,
    ) -> Result<(), ViewError> {
        self.visit(&select, &mut visit).await
    }

    async fn visit<V: View>(
        &mut self,
        select: &Select<V>,
        visit: &mut (dyn FnMut(V) -> ControlFlow<()> + Send),
    ) -> Result<(), ViewError> {
        let read = async {
            let table = self.table::<V>().await?;
            let client = self.transaction.client()?;
            let mut reading = Reading::new(&self.database, client, &table, select).await?;
            let mut left = select.range().limit.unwrap_or(usize::MAX);
            let mut count = FIRST;
            if !select.is_filtered() {
                count = count.max(left.min(MOST));
            }
            while left > 0 {
                let most = if select.is_filtered() {
                    count
                } else {
                    count.min(left)
                };
                let rows = reading.rows(Some(most)).await?;
                let is_last = rows.len() < most;
                if let Some(last) = rows.last() {
                    reading.continue_after(last);
                }
                for row in rows {
                    if left == 0 {
                        return Ok(());
                    }
                    if !reading.passes(&row) {
                        continue;
                    }
                    left -= 1;
                    if visit(row) == ControlFlow::Break(()) {
                        return Ok(());
                    }
                }
                if is_last {
                    return Ok(());
                }
                count = count.saturating_mul(4).min(MOST);
            }
            Ok(())
        };
        self.database.tasks.within(read).await
    }

    /// Returns the table of a view that readers see.
    async fn table<V: View>(&self) -> Result<TableRef, ViewError> {
        let (client, schema) = (self.transaction.client()?, &self.database.schema);
        let note = notes::read(client, schema, &[note_of::<V>()]).await?;
        table_of::<V>(note.into_iter().next().flatten().as_deref())
    }
}

/// Returns the selection of a page and of one row more, which shows whether there is another page; and the page's size.
pub(super) fn sized<V: View>(select: Select<V>) -> (Select<V>, usize) {
    let size = select.range().limit.unwrap_or(PAGE_ROWS);
    (select.limit(size.saturating_add(1)), size)
}

impl fmt::Debug for PostgresViewSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresViewSnapshot")
            .finish_non_exhaustive()
    }
}
