//! The database as projections use it: what handlers need is read at once, and a commit is one transaction.

use super::columns::{Column, Columns, quoted};
use super::error::{failed, view_error};
use super::names::{FORMAT, NOTES, Schema};
use super::range::{self, between};
use super::{notes, rows, tables};
use crate::connections::Connections;
use crate::error::committing;
use crate::runtime::Tasks;
use deadpool_postgres::Object;
use futures_util::future::{join, try_join, try_join_all, try_join3};
use midgard::store::StoreError;
use midgard::view::ViewError;
use midgard::view::database::{
    Answer, RowRange, TableRef, ViewData, ViewDatabase, ViewRead, ViewWrite,
};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;

/// The version of the notes and of the names of tables.
const VERSION: i32 = 1;

/// The database of views.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connections: Connections,
    pub(super) schema: Schema,
    pub(super) tasks: Tasks,
}

impl Database {
    pub(super) async fn connection(&self) -> Result<Object, ViewError> {
        Ok(self.connections.reading().await?)
    }

    /// Returns a connection for a single statement.
    pub(super) async fn single(&self) -> Result<Transaction, ViewError> {
        Ok(Transaction {
            client: Some(self.connection().await?),
            is_open: false,
            runtime: self.tasks.handle().clone(),
        })
    }

    /// Begins to read everything as it is now.
    pub(super) async fn reading(&self) -> Result<Transaction, ViewError> {
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
    }

    /// Begins to write. The server ends it when the program stops in the middle of it, as it holds locks.
    async fn writing(&self) -> Result<Transaction, ViewError> {
        let sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
            SET LOCAL idle_in_transaction_session_timeout = 20000";
        self.begin(sql).await
    }

    async fn begin(&self, sql: &str) -> Result<Transaction, ViewError> {
        let mut transaction = self.single().await?;
        transaction.is_open = true;
        let begun = transaction.client()?.batch_execute(sql).await;
        begun.map_err(failed("begin a transaction"))?;
        Ok(transaction)
    }

    /// Creates the schema and the tables of midgard's own, if they are not there.
    pub(super) async fn create(&self, creates: bool) -> Result<(), ViewError> {
        let client = self.connection().await?;
        let format = self.schema.of(FORMAT);
        let exists = client
            .query_one(
                "SELECT to_regclass($1) IS NOT NULL, to_regnamespace($2) IS NOT NULL",
                &[&format, &self.schema.name()],
            )
            .await
            .map_err(failed("look for the schema of views"))?;
        if !exists.get::<_, bool>(0) {
            if !creates {
                return Err(StoreError::Backend {
                    action: "open views",
                    cause: format!(
                        "the schema {} has none; open them once with the right to create them",
                        self.schema.name()
                    )
                    .into(),
                }
                .into());
            }
            let notes = self.schema.of(NOTES);
            // Even if it is there, creating it would need the right to create schemas.
            let schema = match exists.get::<_, bool>(1) {
                true => String::new(),
                false => format!("CREATE SCHEMA IF NOT EXISTS {};", self.schema.name()),
            };
            // Several programs may start at once: what one has created, the others find.
            let sql = format!(
                "BEGIN; {schema} \
                 CREATE TABLE IF NOT EXISTS {notes} (key text COLLATE \"C\" PRIMARY KEY, value text); \
                 CREATE TABLE IF NOT EXISTS {format} (version integer PRIMARY KEY); \
                 INSERT INTO {format} VALUES ({VERSION}) ON CONFLICT DO NOTHING; COMMIT"
            );
            let mut created = client.batch_execute(&sql).await;
            for _ in 0..CREATIONS {
                match &created {
                    Err(error) if is_created_meanwhile(error) => {
                        client
                            .batch_execute("ROLLBACK")
                            .await
                            .map_err(failed("create the schema of views"))?;
                        created = client.batch_execute(&sql).await;
                    }
                    _ => break,
                }
            }
            if created.is_err() {
                // The connection is in a failed transaction.
                drop(Object::take(client));
            }
            created.map_err(failed("create the schema of views"))?;
            return Ok(());
        }
        let version = client
            .query_one(&format!("SELECT max(version) FROM {format}"), &[])
            .await
            .map_err(failed("read the format of views"))?;
        match version.get::<_, Option<i32>>(0) {
            Some(found) if found > VERSION => Err(StoreError::Backend {
                action: "open views",
                cause: format!(
                    "the schema {} has format {found}, and this release reads format {VERSION}: use the release that wrote it, or a newer one",
                    self.schema.name()
                )
                .into(),
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// Reads rows and then notes, each kind at once. What is read of rows is of the worker whose notes were read after
    /// them: a commit changes both.
    async fn read_in(&self, client: &Object, read: &ViewRead) -> Result<ViewData, ViewError> {
        let schema = &self.schema;
        let rows = read.rows.iter().map(async |asked| {
            let columns = Columns::of(&asked.table.definition)?;
            rows::read(client, schema, &asked.table, &columns.key, &asked.keys).await
        });
        let claims = read.claims.iter().map(async |asked| {
            let columns = Columns::of(&asked.table.definition)?;
            let index = columns.indexes.get(asked.index);
            let places = index.map_or(&[][..], |index| &index.columns);
            rows::read(client, schema, &asked.table, places, &asked.values).await
        });
        let ranges = read.ranges.iter();
        let ranges = ranges.map(|(table, range)| self.read_range(client, table, range));
        let (rows, claims, ranges) = try_join3(
            try_join_all(rows),
            try_join_all(claims),
            try_join_all(ranges),
        )
        .await?;
        let lists = read.lists.iter();
        let lists = lists.map(|range| notes::list(client, schema, range));
        let notes = notes::read(client, schema, &read.notes);
        let (notes, lists) = try_join(notes, try_join_all(lists)).await?;
        Ok(ViewData {
            notes,
            lists,
            rows,
            claims,
            ranges,
        })
    }

    /// Reads the rows of a range, in its order.
    async fn read_range(
        &self,
        client: &Object,
        table: &TableRef,
        range: &RowRange,
    ) -> Result<Vec<Vec<u8>>, ViewError> {
        let columns = Columns::of(&table.definition)?;
        let order = columns.order(range.index);
        let lower = range::lower(&columns, &order, &range.from);
        let upper = range::upper(&columns, &order, &range.to);
        let sql = between(
            &columns,
            &order,
            (lower.as_ref(), upper.as_ref()),
            range.is_reverse,
        );
        self.select(client, &columns, table.number, sql, range.limit)
            .await
    }

    /// Reads rows under conditions.
    pub(super) async fn select(
        &self,
        client: &Object,
        columns: &Columns,
        number: u32,
        mut sql: range::Sql,
        limit: Option<usize>,
    ) -> Result<Vec<Vec<u8>>, ViewError> {
        let (name, data) = (
            self.schema.table(columns.view, number),
            quoted(columns.data),
        );
        let limit = limit.and_then(|limit| i64::try_from(limit).ok());
        let text = std::mem::take(&mut sql.text);
        let last = sql.values.len() + 1;
        let text = format!("SELECT {data}::text FROM {name}{text} LIMIT ${last}::bigint");
        let statement = notes::prepared(client, &text).await?;
        let mut parameters: Vec<_> = sql
            .values
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        parameters.push(&limit);
        let found = client.query(&statement, &parameters).await;
        let found = found.map_err(failed("read rows"))?;
        Ok(found.iter().map(|row| rows::data_of(row, 0)).collect())
    }

    /// Returns the last value of a column of bytes that is not after these.
    pub(super) async fn last_value(
        &self,
        client: &Object,
        (columns, number): (&Columns, u32),
        column: &Column,
        bytes: &[u8],
    ) -> Result<Option<Vec<u8>>, ViewError> {
        let (name, column) = (
            self.schema.table(columns.view, number),
            quoted(&column.name),
        );
        let text = format!(
            "SELECT {column} FROM {name} WHERE {column} <= $1 ORDER BY {column} DESC LIMIT 1"
        );
        let statement = notes::prepared(client, &text).await?;
        let found = client.query_opt(&statement, &[&bytes]).await;
        let found = found.map_err(failed("read rows"))?;
        Ok(found.map(|row| row.get(0)))
    }

    /// Counts rows under conditions.
    pub(super) async fn count(
        &self,
        client: &Object,
        columns: &Columns,
        number: u32,
        sql: range::Sql,
        limit: Option<usize>,
    ) -> Result<u64, ViewError> {
        let name = self.schema.table(columns.view, number);
        let limit = limit.and_then(|limit| i64::try_from(limit).ok());
        let conditions = sql.conditions();
        let last = sql.values.len() + 1;
        let text = format!(
            "SELECT count(*) FROM (SELECT 1 FROM {name}{conditions} LIMIT ${last}::bigint) r"
        );
        let statement = notes::prepared(client, &text).await?;
        let mut parameters: Vec<_> = sql
            .values
            .iter()
            .map(|value| value as &(dyn ToSql + Sync))
            .collect();
        parameters.push(&limit);
        let counted = client.query_one(&statement, &parameters).await;
        let counted = counted.map_err(failed("count rows"))?;
        Ok(u64::try_from(counted.get::<_, i64>(0)).unwrap_or_default())
    }

    async fn write_all(&self, write: &ViewWrite) -> Result<(), ViewError> {
        let transaction = self.writing().await?;
        let client = transaction.client()?;
        match self.write_in(client, write).await {
            Ok(()) => transaction.commit().await,
            Err(error) => {
                transaction.roll_back().await;
                Err(error)
            }
        }
    }

    async fn write_in(&self, client: &Object, write: &ViewWrite) -> Result<(), ViewError> {
        let schema = &self.schema;
        notes::lock(client, schema, write).await?;
        tables::change(client, schema, &write.tables).await?;
        let rows = async {
            for table in &write.rows {
                rows::write(client, schema, table).await?;
            }
            Ok(())
        };
        // The first error is that of the statement which was sent first.
        let (rows, notes) = join(rows, notes::write(client, schema, write)).await;
        rows.and(notes)
    }
}

/// How often creating the schema is tried while others create it, too.
const CREATIONS: usize = 20;

/// Returns whether another program has created the same thing at the same time.
fn is_created_meanwhile(error: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    let same = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_OBJECT,
    ];
    error.code().is_some_and(|code| same.contains(code))
}

/// A connection, in a transaction or not.
pub(super) struct Transaction {
    client: Option<Object>,
    is_open: bool,
    runtime: Handle,
}

impl Transaction {
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

/// The database at one moment.
struct Snapshot {
    database: Arc<Database>,
    transaction: Mutex<Transaction>,
}

impl ViewDatabase for Snapshot {
    fn read<'a>(&'a self, read: &'a ViewRead) -> Answer<'a, ViewData> {
        let reading = async move {
            let transaction = self.transaction.lock().await;
            self.database.read_in(transaction.client()?, read).await
        };
        Box::pin(self.database.tasks.within(reading))
    }

    fn snapshot(&self) -> Answer<'_, Arc<dyn ViewDatabase>> {
        let again = async { SharedDatabase(self.database.clone()).snapshot().await };
        Box::pin(again)
    }

    fn write(&self, _: ViewWrite) -> Answer<'_, ()> {
        let reason = "write through a transaction that only reads";
        Box::pin(std::future::ready(Err(StoreError::Backend {
            action: reason,
            cause: "begin it with `begin`".into(),
        }
        .into())))
    }
}

/// The database that projections write to.
#[derive(Debug, Clone)]
pub(super) struct SharedDatabase(pub(super) Arc<Database>);

impl ViewDatabase for SharedDatabase {
    fn read<'a>(&'a self, read: &'a ViewRead) -> Answer<'a, ViewData> {
        let reading = async move {
            let single = self.0.single().await?;
            self.0.read_in(single.client()?, read).await
        };
        Box::pin(self.0.tasks.within(reading))
    }

    fn snapshot(&self) -> Answer<'_, Arc<dyn ViewDatabase>> {
        let snapshot = async {
            let snapshot = Snapshot {
                transaction: Mutex::new(self.0.reading().await?),
                database: self.0.clone(),
            };
            Ok(Arc::new(snapshot) as Arc<dyn ViewDatabase>)
        };
        Box::pin(self.0.tasks.within(snapshot))
    }

    fn write(&self, write: ViewWrite) -> Answer<'_, ()> {
        Box::pin(async move { self.0.tasks.within(self.0.write_all(&write)).await })
    }
}
