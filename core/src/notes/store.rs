//! Where notes are kept: texts by key, in transactions.

use super::Held;
use std::error::Error;

/// A store for the notes of Midgard's consumers: texts by key, read and written in transactions.
///
/// Notes are checkpoints, leases, dead letters and the like. The entries of a [store](crate::Store) keep those of subscriptions,
/// process managers, inboxes and outboxes. A projection's are kept alongside its views, by its
/// [`ViewStore`](crate::projection::ViewStore), in the same transaction. The methods of this trait are all that notes ask for.
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
/// # What an implementation must hold
///
/// - **All or nothing.** All changes of a transaction are committed together, also when the process is killed.
///   A transaction that is dropped has changed nothing. A commit that has not made every change is an error, also when the
///   database has undone the transaction by itself before: PostgreSQL then answers `COMMIT` without one, and
///   SQLite runs the statements that follow outside of any transaction.
/// - **What was read still holds at the commit,** also that a note was not there: this is how a worker knows that its
///   work is still its own. Run serializable transactions, let one wait for the other, or compare at the commit and
///   fail; `SELECT .. FOR UPDATE` does not lock what is missing. (A note that is new in a range that was listed may
///   be missed.)
/// - **A transaction sees its own changes,** with `get` and `list` alike.
/// - **Notes are any texts** without the character NUL. Prefixes are literal: `LIKE` takes `_` and `%` for
///   something else. Lists are in the order of bytes: in PostgreSQL, of a column with `COLLATE "C"`.
///
/// Transactions may wait for each other: a consumer that holds one begins no other.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store for notes",
    label = "this type does not implement `NoteStore`",
    note = "write `impl NoteStore for {Self} {{ .. }}`: a store for views keeps Midgard's notes, too"
)]
pub trait NoteStore: Send + Sync + 'static {
    /// What is read and written through. Dropped without a commit, it has changed nothing.
    type Transaction: Send;
    /// What can go wrong.
    type Error: Error + Send + Sync + 'static;

    /// Begins a transaction on notes.
    fn begin(&self) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send;

    /// Begins a transaction that only reads notes, and is dropped: it sees everything that was committed before. By default an
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

    /// Lists at most `limit` of the notes whose key begins with a prefix and stands after a key, in the order of keys, in a
    /// transaction that only reads. By default all are listed, and the others left out.
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

    /// What a transaction holds that the store may have to wait for, to be given back while a handler waits.
    #[doc(hidden)]
    fn held(&self, transaction: &Self::Transaction) -> Option<Held> {
        let _ = transaction;
        None
    }

    /// Makes all changes of a transaction; an error when it has made none.
    fn commit(
        &self,
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether a commit failed because another has changed what it relied on. The work then begins again at once, and
    /// is only reported where that happens repeatedly. By default it is a failure as any other.
    fn is_conflict(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether a commit failed because of what handlers wrote, so that it would fail again however often it is tried. Then the
    /// events are committed in smaller and smaller groups until the one at fault is known, and its policy decides.
    /// By default every failed commit is tried again.
    fn is_refusal(&self, error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}
