//! The storage of notes: texts by key, in transactions.

use super::Held;
use std::error::Error;

/// A store for the notes of Midgard's consumers: texts by key, read and written in transactions.
///
/// Notes are checkpoints, leases, dead letters and the like. Subscriptions, process managers, inboxes and outboxes
/// store theirs in the entries of a [store](crate::Store). A projection's are stored alongside its views, by its
/// [`ViewStore`](crate::projection::ViewStore), in the same transaction. Notes need only the methods of this trait.
///
/// ```ignore
/// impl NoteStore for SqliteViews {
///     type Transaction = sqlx::Transaction<'static, Sqlite>;
///     type Error = SqlError;
///
///     async fn begin(&self) -> Result<Self::Transaction, SqlError> {
///         Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
///     }
///
///     async fn get(&self, transaction: &mut Self::Transaction, key: &str) -> Result<Option<String>, SqlError> {
///         let value = sqlx::query_scalar("SELECT value FROM midgard_notes WHERE key = ?");
///         Ok(value.bind(key).fetch_optional(&mut **transaction).await?)
///     }
///     // .. `put`, `list` and `commit` likewise.
/// }
/// ```
///
/// # What an implementation must guarantee
///
/// - **All or nothing.** All changes of a transaction are committed together, even when the process is killed. A
///   transaction that is dropped changes nothing. A commit that did not make every change is an error, even when the
///   database itself rolled the transaction back before: PostgreSQL then answers `COMMIT` without an error, and
///   SQLite runs the following statements outside any transaction.
/// - **Every read still holds at the commit,** including that a note was absent: this is how a worker knows that its work
///   is still its own. Run serializable transactions, let one wait for the other, or compare at the commit and fail;
///   `SELECT .. FOR UPDATE` does not lock missing rows. (A new note in a listed range may be missed.)
/// - **A transaction sees its own changes,** with `get` and `list` alike.
/// - **Notes are any texts** without the character NUL. Prefixes are literal: `LIKE` treats `_` and `%` as wildcards.
///   Lists are in the order of bytes: in PostgreSQL, use a column with `COLLATE "C"`.
///
/// Transactions may wait for each other: a consumer that holds one does not begin another.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store for notes",
    label = "this type does not implement `NoteStore`",
    note = "write `impl NoteStore for {Self} {{ .. }}`: Midgard keeps checkpoints and leases there, alongside the rows"
)]
pub trait NoteStore: Send + Sync + 'static {
    /// The transaction for reads and writes. Dropped without a commit, it changes nothing.
    type Transaction: Send;
    /// The error of the store.
    type Error: Error + Send + Sync + 'static;

    /// Begins a transaction on notes.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send;

    /// Begins a transaction that only reads notes, and is dropped: it sees everything committed before. By default an
    /// ordinary transaction. Override it if your transactions block each other and readers should not wait.
    fn begin_read(&self) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send {
        self.begin()
    }

    /// Reads a note.
    fn get(
        &self,
        transaction: &mut Self::Transaction,
        key: &str,
    ) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Writes a note; `None` removes it.
    fn put(
        &self,
        transaction: &mut Self::Transaction,
        key: &str,
        value: Option<&str>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Lists the notes whose key begins with a prefix, in the order of keys.
    fn list(
        &self,
        transaction: &mut Self::Transaction,
        prefix: &str,
    ) -> impl Future<Output = Result<Vec<(String, String)>, Self::Error>> + Send;

    /// Lists at most `limit` of the notes whose key begins with a prefix and follows a key, in the order of keys, in
    /// a transaction that only reads. By default lists all and drops the rest.
    fn list_page(
        &self,
        transaction: &mut Self::Transaction,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<(String, String)>, Self::Error>> + Send {
        async move {
            let all = self.list(transaction, prefix).await?;
            let page = all.into_iter().filter(|(key, _)| **key > *after);
            Ok(page.take(limit).collect())
        }
    }

    /// Returns the snapshot of a transaction that the store may have to wait for; it is released while a handler
    /// waits.
    #[doc(hidden)]
    fn held(&self, transaction: &Self::Transaction) -> Option<Held> {
        let _ = transaction;
        None
    }

    /// Commits all changes of a transaction; returns an error when it has not.
    fn commit(
        &self,
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Returns whether a commit failed because another transaction changed what it relied on. The work then begins
    /// again at once, and is reported only if that happens repeatedly. By default every error is an ordinary failure.
    fn is_conflict(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Returns whether a commit failed because of what handlers wrote, so that every retry would fail too. Then the
    /// events are committed in smaller and smaller groups until the faulty one is found, and its policy decides. By
    /// default every failed commit is retried.
    fn is_refusal(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}
