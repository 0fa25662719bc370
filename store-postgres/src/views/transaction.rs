//! Connections in transactions, which are undone if nobody commits them.

use super::error::{failed, view_error};
use crate::error::committing;
use deadpool_postgres::Object;
use midgard::store::StoreError;
use midgard::view::ViewError;
use tokio::runtime::Handle;

/// A connection, in a transaction or not.
pub(super) struct Transaction {
    client: Option<Object>,
    is_open: bool,
    runtime: Handle,
}

impl Transaction {
    pub(super) const fn none(client: Object, runtime: Handle) -> Self {
        Transaction {
            client: Some(client),
            is_open: false,
            runtime,
        }
    }

    /// Begins a transaction with this statement.
    pub(super) async fn begin(&mut self, sql: &str) -> Result<(), ViewError> {
        self.is_open = true;
        let begun = self.client()?.batch_execute(sql).await;
        begun.map_err(failed("begin a transaction"))
    }

    pub(super) fn client(&self) -> Result<&Object, ViewError> {
        self.client.as_ref().ok_or_else(|| {
            ViewError::from(StoreError::Backend {
                action: "use a connection",
                cause: "it was given back".into(),
            })
        })
    }

    pub(super) async fn commit(mut self) -> Result<(), ViewError> {
        if self.is_open {
            let committed = self.client()?.batch_execute("COMMIT").await;
            self.is_open = false;
            committed.map_err(|error| match view_error("commit", &error) {
                conflict @ ViewError::Conflict { .. } => conflict,
                _ => StoreError::from(committing(&error)).into(),
            })?;
        }
        Ok(())
    }

    /// Undoes everything, so that the connection can be used again.
    pub(super) async fn roll_back(mut self) {
        if self.is_open
            && let Ok(client) = self.client()
        {
            self.is_open = client.batch_execute("ROLLBACK").await.is_err();
        }
    }
}

impl Drop for Transaction {
    /// Undoes what was not committed, so that the connection can be used again.
    fn drop(&mut self) {
        if self.is_open
            && let Some(client) = self.client.take()
        {
            self.runtime.spawn(async move {
                if client.batch_execute("ROLLBACK").await.is_err() {
                    drop(Object::take(client));
                }
            });
        }
    }
}
