//! Where projections keep what they make of events: the small trait behind every kind of view.

use crate::notes::NoteStore;
use std::sync::Arc;

/// A store for views, with transactions: rows and the projection's checkpoint are committed together.
///
/// [`Views`](crate::Views) is one, embedded. Implement it for a database of your own, and handlers write through
/// that database's transaction; `examples/sql-views/src/store.rs` does so for SQLite, with `sqlx`:
///
/// ```ignore
/// impl ViewStore for SqliteViews {
///     type Transaction = sqlx::Transaction<'static, Sqlite>;
///     type Error = SqlError;
///
///     async fn begin(&self, _: &Generation) -> Result<Self::Transaction, SqlError> {
///         Ok(self.pool.begin_with("BEGIN IMMEDIATE").await?)
///     }
///
///     async fn get(&self, transaction: &mut Self::Transaction, key: &str) -> Result<Option<String>, SqlError> {
///         let value = sqlx::query_scalar("SELECT value FROM midgard_notes WHERE key = ?");
///         Ok(value.bind(key).fetch_optional(&mut **transaction).await?)
///     }
///     // .. `put`, `list` and `commit` likewise; `prepare`, `activate` and `discard` for tables by generation.
/// }
/// ```
///
/// Midgard keeps its own notes beside the rows (checkpoints, leases, dead letters), as texts by key in whatever
/// table the implementation likes: `get`, `put` and `list` are all it asks for.
///
/// # What an implementation must hold
///
/// The crate `midgard-contract` tests it, with `view_store_contract!`.
///
/// - **All or nothing.** Rows and notes of a transaction are committed together, also when the process is killed.
///   One that is dropped has changed nothing. A commit that has not made every change is an error, also when the
///   database has undone the transaction by itself before: PostgreSQL then answers `COMMIT` without one, and
///   SQLite makes what follows outside of any transaction.
/// - **What was read still holds at the commit,** also that a note was not there: it is how a worker knows that its
///   work is still its own. Run serializable transactions, let one wait for the other, or compare at the commit and
///   fail; `SELECT .. FOR UPDATE` does not lock what is missing. (A note that is new in a range that was listed may
///   be missed.)
/// - **A transaction sees its own changes,** with `get`, `list` and rows alike.
/// - **Notes are any texts** without the character NUL. Prefixes are literal: `LIKE` takes `_` and `%` for
///   something else. Lists are in the order of bytes: in PostgreSQL, of a column with `COLLATE "C"`.
/// - **Generations are apart,** and what readers see changes from one to the next within the commit.
///
/// Transactions may wait for each other: who holds one begins no other. No order is asked for, but where one
/// program runs many of them at once (while views are rebuilt beside the old ones), let them stand in line.
///
/// # What is called when
///
/// | when | in one transaction |
/// |---|---|
/// | a projection starts, or goes on after a change of plan | `begin`, `get`, and where needed `prepare` of a new generation, `activate` of a complete one; `put`, `commit` |
/// | there are events | `begin`, `get` of the lease, each event's handler and `check`, `put` of the checkpoint, `commit` |
/// | a handler fails | its transaction is dropped; what went well before is handled once more, and committed |
/// | every third of a lease; every 100 ms by a worker while others own a part | `begin`, `get`, and where a part is asked for, kept or handed over `put`, `commit`; then, by an owner, `begin_read`, `get`, `list` |
/// | someone asks how far it is, or for dead letters | `begin_read`, `get`, `list` |
/// | readers have switched | `begin`, `discard`, `put`, `commit`, until nothing is left of the old generation |
///
/// An error of any of these is shown in the [status](crate::consumer::Status), and tried again after a while, so let it
/// say what to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store for views",
    label = "this type does not implement `ViewStore`",
    note = "write `impl ViewStore for {Self} {{ .. }}`, or leave `store` out of `#[projection(..)]`: the views are in `Views` then"
)]
pub trait ViewStore: NoteStore {
    /// Begins a transaction on the rows of a generation, and on notes. By default as one on notes alone.
    fn begin_generation(
        &self,
        generation: &Generation,
    ) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send {
        let _ = generation;
        self.begin()
    }

    /// Looks at what the handler of one event has left, once it is done. An error here is that event's: it is
    /// tried again, skipped or parked, as its policy says. For rules that would else be looked at no sooner than at
    /// the commit, which is of many events. Without this, there is nothing to look at.
    fn check(
        &self,
        transaction: &mut Self::Transaction,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = transaction;
        async { Ok(()) }
    }

    /// Makes the tables of a new generation, empty. Handlers know its number by
    /// [`Context::generation`](super::Context::generation). Without this, there is nothing to make.
    fn prepare(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(()) }
    }

    /// Lets readers see this generation from the commit on, instead of the one before; views that the
    /// projection no longer lists, they see no more.
    fn activate(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(()) }
    }

    /// Removes some of the rows of a generation that nobody sees any more; says whether there are
    /// none left. It is called, each time in a transaction of its own, until then.
    ///
    /// Here `generation.views` are those of this program: the generation may have had others.
    fn discard(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(true) }
    }
}

/// One building of a projection's views, from the first event on. A rebuild is a new generation beside
/// the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// The projection.
    pub projection: &'static str,
    /// Which one, from 1. Never used again.
    pub number: u32,
    /// The views that the projection lists.
    pub views: Arc<[ViewDefinition]>,
}

impl Generation {
    /// A generation, for tests of a [`ViewStore`].
    #[must_use]
    pub fn new(
        projection: &'static str,
        number: u32,
        views: impl Into<Arc<[ViewDefinition]>>,
    ) -> Self {
        Generation {
            projection,
            number,
            views: views.into(),
        }
    }
}

/// What a view is made of, as far as stored rows depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewDefinition {
    /// The name of the table.
    pub name: &'static str,
    /// Its key, fields and indexes in words: rows are only read by the definition they were written by.
    pub form: String,
}

impl ViewDefinition {
    /// The definition of a view that a [`ViewStore`](crate::projection::ViewStore) makes something of by itself: for one on
    /// SQL, `form` may be the columns. Where it changes, the view is rebuilt.
    #[must_use]
    pub fn new(name: &'static str, form: impl Into<String>) -> Self {
        ViewDefinition {
            name,
            form: form.into(),
        }
    }
}
