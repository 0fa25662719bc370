//! The contract of a store for views, run on SQLite.

use super::kit::{self, Database, LONG};
use midgard::projection::Generation;
use midgard::projection::ViewDefinition;
use midgard_contract::{ViewFixture, view_store_contract};
use midgard_example_sql_views::{SqliteViews, table};
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

struct InFile(Database);

impl ViewFixture for InFile {
    type Views = SqliteViews;

    fn new() -> Self {
        InFile(Database::new())
    }

    async fn open(&self) -> SqliteViews {
        SqliteViews::open(self.0.file(), LONG).await.unwrap()
    }

    fn view(name: &'static str) -> ViewDefinition {
        ViewDefinition::new(name, "key TEXT PRIMARY KEY, number INTEGER NOT NULL")
    }

    async fn put_row(
        transaction: &mut Transaction<'static, Sqlite>,
        generation: &Generation,
        view: &'static str,
        key: &str,
        number: u32,
    ) {
        let table = table(view, generation.number);
        let put = format!("INSERT OR REPLACE INTO {table} VALUES (?, ?)");
        let put = sqlx::query(AssertSqlSafe(put)).bind(key).bind(number);
        put.execute(&mut **transaction).await.unwrap();
    }

    async fn rows(views: &SqliteViews, view: &'static str) -> Option<Vec<(String, u32)>> {
        let rows = format!("SELECT key, number FROM {view} ORDER BY key");
        let rows = sqlx::query_as(AssertSqlSafe(rows));
        match rows.fetch_all(views.readers()).await {
            Ok(rows) => Some(rows),
            Err(error) if error.to_string().contains("no such table") => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        kit::block_on(future)
    }
}

view_store_contract!(InFile);
