//! The contract of stores for views, and all of it.

use crate::kit::RUNTIME;
use midgard::notes::NoteStore;
use midgard::projection::{Generation, ViewDefinition, ViewStore};
use midgard::view::{Select, ViewError, ViewTransaction};
use midgard::{View, Views};
use midgard_contract::ViewFixture;
use midgard_store_postgres::{PostgresOptions, PostgresViews};
use midgard_test_servers::{Postgres, shared_postgres};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Serialize, Deserialize, View)]
#[view(name = "contract_numbers", key = key)]
struct Numbers {
    key: String,
    number: u32,
}

#[derive(Serialize, Deserialize, View)]
#[view(name = "contract_others", key = key)]
struct Others {
    key: String,
    number: u32,
}

struct InSchema {
    server: &'static Postgres,
    schema: String,
}

/// What projections write to, and what readers read.
struct Both {
    written: Views,
    read: PostgresViews,
}

impl ViewFixture for InSchema {
    type Views = Both;

    fn new() -> Self {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        InSchema {
            server: shared_postgres("contract").unwrap(),
            schema: format!("case {number}"),
        }
    }

    async fn open(&self) -> Both {
        let options = PostgresOptions::new(self.server.address())
            .with_schema(&self.schema)
            .with_max_connections(8);
        let read = PostgresViews::open_with(&options).await.unwrap();
        Both {
            written: read.for_projections(),
            read,
        }
    }

    fn view(name: &'static str) -> ViewDefinition {
        match name {
            Self::NUMBERS => ViewDefinition::of::<Numbers>(),
            _ => ViewDefinition::of::<Others>(),
        }
    }

    async fn put_row(
        transaction: &mut ViewTransaction,
        _: &Generation,
        view: &'static str,
        key: &str,
        number: u32,
    ) {
        loop {
            let key = key.to_owned();
            let put = match view {
                Self::NUMBERS => transaction.put(Numbers { key, number }),
                _ => transaction.put(Others { key, number }),
            };
            if transaction.lacking() == 0 {
                return put.unwrap();
            }
            transaction.load().await.unwrap();
        }
    }

    async fn rows(views: &Both, view: &'static str) -> Option<Vec<(String, u32)>> {
        let views = &views.read;
        match view {
            Self::NUMBERS => rows(views, |row: Numbers| (row.key, row.number)).await,
            _ => rows(views, |row: Others| (row.key, row.number)).await,
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        RUNTIME.block_on(future)
    }
}

async fn rows<V: View>(
    views: &PostgresViews,
    read: impl Fn(V) -> (String, u32),
) -> Option<Vec<(String, u32)>> {
    match views.select(Select::<V>::all()).await {
        Ok(rows) => Some(rows.into_iter().map(read).collect()),
        Err(ViewError::NotBuilt { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

impl NoteStore for Both {
    type Transaction = ViewTransaction;
    type Error = ViewError;

    async fn begin(&self) -> Result<ViewTransaction, ViewError> {
        self.written.begin().await
    }

    async fn begin_read(&self) -> Result<ViewTransaction, ViewError> {
        self.written.begin_read().await
    }

    async fn get(
        &self,
        transaction: &mut ViewTransaction,
        key: &str,
    ) -> Result<Option<String>, ViewError> {
        NoteStore::get(&self.written, transaction, key).await
    }

    async fn put(
        &self,
        transaction: &mut ViewTransaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), ViewError> {
        self.written.put(transaction, key, value).await
    }

    async fn list(
        &self,
        transaction: &mut ViewTransaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, ViewError> {
        self.written.list(transaction, prefix).await
    }

    async fn list_page(
        &self,
        transaction: &mut ViewTransaction,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, String)>, ViewError> {
        self.written
            .list_page(transaction, prefix, after, limit)
            .await
    }

    async fn commit(&self, transaction: ViewTransaction) -> Result<(), ViewError> {
        self.written.commit(transaction).await
    }

    fn is_conflict(&self, error: &ViewError) -> bool {
        self.written.is_conflict(error)
    }

    fn is_refusal(&self, error: &ViewError) -> bool {
        self.written.is_refusal(error)
    }
}

impl ViewStore for Both {
    async fn begin_generation(
        &self,
        generation: &Generation,
    ) -> Result<ViewTransaction, ViewError> {
        self.written.begin_generation(generation).await
    }

    async fn check(&self, transaction: &mut ViewTransaction) -> Result<(), ViewError> {
        self.written.check(transaction).await
    }

    async fn prepare(
        &self,
        transaction: &mut ViewTransaction,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        self.written.prepare(transaction, generation).await
    }

    async fn activate(
        &self,
        transaction: &mut ViewTransaction,
        generation: &Generation,
    ) -> Result<(), ViewError> {
        self.written.activate(transaction, generation).await
    }

    async fn discard(
        &self,
        transaction: &mut ViewTransaction,
        generation: &Generation,
    ) -> Result<bool, ViewError> {
        self.written.discard(transaction, generation).await
    }
}

midgard_contract::view_store_contract!(InSchema);
