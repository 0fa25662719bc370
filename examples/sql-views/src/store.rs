//! Where the views are: a SQLite database.

use crate::error::{SqlError, is_busy};
use midgard::notes::NoteStore;
use midgard::projection::Generation;
use midgard::projection::ViewStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Sqlite};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The notes of Midgard, and the list of tables. `WITHOUT ROWID` keeps notes in the order of their keys.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS midgard_notes (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS midgard_tables (
        projection TEXT NOT NULL,
        generation INTEGER NOT NULL,
        view TEXT NOT NULL,
        PRIMARY KEY (projection, generation, view)
    ) STRICT, WITHOUT ROWID;
";

/// Views in the tables of a SQLite database.
///
/// A view's definition is its name and its columns. Each generation of it has its own table, called
/// `{view}_{generation}`; readers select from `{view}`, an SQL view of the complete table. They need to know nothing
/// of Midgard.
///
/// Needs a tokio runtime, as `sqlx` does.
#[derive(Debug, Clone)]
pub struct SqliteViews {
    /// One connection: writers wait in line for it. SQLite itself lets waiting connections retry from time to time,
    /// and the busiest wins.
    writer: SqlitePool,
    readers: SqlitePool,
    file: PathBuf,
    patience: Duration,
}

/// Returns the name of the table of a view in one generation.
#[must_use]
pub fn table(view: &str, generation: u32) -> String {
    format!("{view}_{generation}")
}

impl SqliteViews {
    /// Opens a database, or creates it. `patience` is how long to wait for other connections that write to it.
    ///
    /// # Errors
    /// When it cannot be opened, or others write to it for longer.
    pub async fn open(file: impl AsRef<Path>, patience: Duration) -> Result<Self, SqlError> {
        let file = file.as_ref();
        // Reads see the last commit, and do not wait for writes.
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(patience);
        let views = SqliteViews {
            // A connection that the database left in the middle of a transaction is replaced.
            writer: SqlitePoolOptions::new()
                .max_connections(1)
                .before_acquire(|connection, _| {
                    Box::pin(async { Ok(!connection.is_in_transaction()) })
                })
                .connect_lazy_with(options.clone()),
            readers: SqlitePoolOptions::new().connect_lazy_with(options.pragma("query_only", "ON")),
            file: file.to_owned(),
            patience,
        };
        let began = Instant::now();
        loop {
            match sqlx::raw_sql(TABLES).execute(&views.writer).await {
                Ok(_) => return Ok(views),
                // SQLite does not wait when another connection turns a new database to WAL just now.
                Err(error) if is_busy(&error) && began.elapsed() < patience => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(views.error(error)),
            }
        }
    }

    /// Returns the connections for reading, with any SQL.
    #[must_use]
    pub const fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    fn error(&self, cause: sqlx::Error) -> SqlError {
        let file = self.file.clone();
        if is_busy(&cause) {
            let patience = self.patience;
            return SqlError::Busy { file, patience };
        }
        SqlError::Database { file, cause }
    }

    /// Runs statements built from the program's own words: names of views, and their columns.
    async fn run(&self, transaction: &mut Transaction, sql: String) -> Result<(), SqlError> {
        let run = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **transaction);
        run.await.map_err(|error| self.error(error))?;
        Ok(())
    }
}

type Transaction = sqlx::Transaction<'static, Sqlite>;

impl NoteStore for SqliteViews {
    type Transaction = Transaction;
    type Error = SqlError;

    async fn begin(&self) -> Result<Transaction, SqlError> {
        let begin = async {
            // Takes the lock now: anything read from here on still holds at the commit.
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let savepoint = sqlx::raw_sql("SAVEPOINT midgard");
            savepoint.execute(&mut *transaction).await?;
            Ok(transaction)
        };
        begin.await.map_err(|error| self.error(error))
    }

    async fn begin_read(&self) -> Result<Transaction, SqlError> {
        let begin = self.readers.begin().await;
        begin.map_err(|error| self.error(error))
    }

    async fn get(
        &self,
        transaction: &mut Transaction,
        key: &str,
    ) -> Result<Option<String>, SqlError> {
        sqlx::query_scalar("SELECT value FROM midgard_notes WHERE key = ?")
            .bind(key)
            .fetch_optional(&mut **transaction)
            .await
            .map_err(|error| self.error(error))
    }

    async fn put(
        &self,
        transaction: &mut Transaction,
        key: &str,
        value: Option<&str>,
    ) -> Result<(), SqlError> {
        // On some errors (a full disk, `INSERT OR ROLLBACK`) SQLite undoes the whole transaction. A handler
        // that passes over such an error must not have its events noted as handled.
        let check = "RELEASE midgard; SAVEPOINT midgard";
        self.run(transaction, check.to_owned()).await?;
        let put = match value {
            Some(value) => sqlx::query("INSERT OR REPLACE INTO midgard_notes VALUES (?, ?)")
                .bind(key)
                .bind(value),
            None => sqlx::query("DELETE FROM midgard_notes WHERE key = ?").bind(key),
        };
        let put = put.execute(&mut **transaction).await;
        put.map_err(|error| self.error(error))?;
        Ok(())
    }

    async fn list(
        &self,
        transaction: &mut Transaction,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, SqlError> {
        // Not `LIKE`: it takes `_` and `%` for something else, and large letters for small ones.
        let notes = "SELECT key, value FROM midgard_notes WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key";
        sqlx::query_as(notes)
            .bind(prefix)
            .bind(after(prefix))
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| self.error(error))
    }

    async fn commit(&self, transaction: Transaction) -> Result<(), SqlError> {
        let commit = transaction.commit().await;
        commit.map_err(|error| self.error(error))
    }
}

impl ViewStore for SqliteViews {
    async fn prepare(
        &self,
        transaction: &mut Transaction,
        generation: &Generation,
    ) -> Result<(), SqlError> {
        for view in generation.views.iter() {
            let table = table(view.name, generation.number);
            let create = format!("CREATE TABLE {table} ({}) STRICT", view.form);
            self.run(transaction, create).await?;
            let note = sqlx::query("INSERT INTO midgard_tables VALUES (?, ?, ?)")
                .bind(generation.projection)
                .bind(generation.number)
                .bind(view.name)
                .execute(&mut **transaction);
            note.await.map_err(|error| self.error(error))?;
        }
        Ok(())
    }

    async fn activate(
        &self,
        transaction: &mut Transaction,
        generation: &Generation,
    ) -> Result<(), SqlError> {
        // Also those that an earlier version of the projection had, and this one has not.
        let known = "SELECT DISTINCT view FROM midgard_tables WHERE projection = ?";
        let known: Vec<String> = sqlx::query_scalar(known)
            .bind(generation.projection)
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| self.error(error))?;
        for view in known {
            let hide = format!("DROP VIEW IF EXISTS {view}");
            self.run(transaction, hide).await?;
        }
        for view in generation.views.iter() {
            let (name, table) = (view.name, table(view.name, generation.number));
            let show = format!("CREATE VIEW {name} AS SELECT * FROM {table}");
            self.run(transaction, show).await?;
        }
        Ok(())
    }

    async fn discard(
        &self,
        transaction: &mut Transaction,
        generation: &Generation,
    ) -> Result<bool, SqlError> {
        // Not those of `generation.views`: these are of this program, which may have other views.
        let views =
            "DELETE FROM midgard_tables WHERE projection = ? AND generation = ? RETURNING view";
        let views: Vec<String> = sqlx::query_scalar(views)
            .bind(generation.projection)
            .bind(generation.number)
            .fetch_all(&mut **transaction)
            .await
            .map_err(|error| self.error(error))?;
        for view in views {
            let table = table(&view, generation.number);
            let remove = format!("DROP TABLE IF EXISTS {table}");
            self.run(transaction, remove).await?;
        }
        Ok(true)
    }
}

/// Returns the first text after all those that begin with `prefix`; `None` when there is no such text.
fn after(prefix: &str) -> Option<String> {
    let mut start = prefix.to_owned();
    while let Some(last) = start.pop() {
        let next = (last..=char::MAX).nth(1);
        if let Some(next) = next {
            start.push(next);
            return Some(start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn the_end_of_a_prefix_is_its_successor_among_texts() {
        let after = |prefix| after(prefix);
        assert_eq!(after("a/").as_deref(), Some("a0"));
        assert_eq!(after("ä").as_deref(), Some("å"));
        assert_eq!(after("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(after("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(after("\u{10ffff}"), None);
        assert_eq!(after(""), None);
    }
}
