//! Where projections keep their views: the small trait behind every kind of view.

use crate::notes::NoteStore;
use std::sync::Arc;

/// A store for views, with transactions: rows and the projection's checkpoint are committed together.
///
/// [`Views`](crate::Views) is one, embedded. Implement it for a database of your own, and handlers write through
/// that database's transaction; `examples/sql-views/src/store.rs` does so for SQLite, with `sqlx`:
///
/// ```ignore
/// impl NoteStore for SqliteViews { .. } // transactions, and the notes in them
///
/// impl ViewStore for SqliteViews {
///     async fn activate(&self, transaction: &mut Self::Transaction, generation: &Generation) -> Result<(), SqlError> {
///         // .. in the same transaction: readers find the tables of this generation from now on.
///     }
///     // .. `prepare` makes the tables of a generation, and `discard` drops them.
/// }
/// ```
///
/// Midgard keeps its own notes (checkpoints, leases, dead letters) alongside the rows, in the same transactions: see
/// [`NoteStore`].
///
/// # What an implementation must guarantee
///
/// The crate `midgard-contract` tests these rules, with `view_store_contract!`.
///
/// - **All that a [`NoteStore`] guarantees,** for rows as for notes: they are committed together or not at all.
/// - **Generations are separate,** and readers switch from one to the next within the commit.
///
/// Transactions may wait for each other: no caller that holds one begins another. Their order does not matter, but if one
/// program runs many at once (while views are rebuilt alongside the old ones), queue them.
///
/// # What is called when
///
/// | when | in one transaction |
/// |---|---|
/// | a projection starts, or continues after a change of plan | `begin`, `get`, and where needed `prepare` of a new generation, `activate` of a complete one; `put`, `commit` |
/// | there are events | `begin_generation`, `get` of the lease, each event's handler and `check`, `put` of the checkpoint, `commit` |
/// | a handler fails | its transaction is dropped; the events before it are handled again, and committed |
/// | every third of a lease; every 100 ms by a worker while others own a partition | `begin`, `get`, and where a partition is requested, kept or handed over `put`, `commit`; then, by an owner, `begin_read`, `get`, `list` |
/// | a program reads the checkpoint or dead letters | `begin_read`, `get`, `list` |
/// | readers have switched | `begin`, `discard`, `put`, `commit`, until nothing is left of the old generation |
///
/// An error of any of these is shown in the [status](crate::consumer::Status), and the call is retried after a while,
/// so the error should say what to do.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store for views",
    label = "this type does not implement `ViewStore`",
    note = "implement `NoteStore` and `ViewStore` for `{Self}`; or remove `store = ..` from `#[projection(..)]`, and the views are kept in `midgard::Views`"
)]
pub trait ViewStore: NoteStore {
    /// Begins a transaction on the rows of a generation and on notes. By default, calls `begin`.
    fn begin_generation(
        &self,
        generation: &Generation,
    ) -> impl Future<Output = Result<Self::Transaction, Self::Error>> + Send {
        let _ = generation;
        self.begin()
    }

    /// Checks the changes of one event, once its handler is done. An error here counts as that event's failure: it
    /// is retried, skipped or parked, as its policy says. Use it for rules that would otherwise be checked only at
    /// the commit, which covers many events. By default, checks nothing.
    fn check(
        &self,
        transaction: &mut Self::Transaction,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = transaction;
        async { Ok(()) }
    }

    /// Creates the empty tables of a new generation. Handlers get its number from
    /// [`Context::generation`](super::Context::generation). By default, creates nothing.
    fn prepare(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(()) }
    }

    /// Switches readers to this generation, from the commit on. They no longer see views that the projection no
    /// longer lists.
    fn activate(
        &self,
        transaction: &mut Self::Transaction,
        generation: &Generation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (transaction, generation);
        async { Ok(()) }
    }

    /// Removes some rows of a generation that is no longer read; returns whether none are left. It is called until
    /// then, each time in a transaction of its own.
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

    /// Returns how many rows and notes a handler asked for that must be read before its event can be handled: an event is
    /// handled again when they are there.
    #[doc(hidden)]
    fn lacking(&self, transaction: &Self::Transaction) -> usize {
        let _ = transaction;
        0
    }

    /// Reads what was asked for, and undoes all changes of rows: their events are handled again.
    #[doc(hidden)]
    fn load(
        &self,
        transaction: &mut Self::Transaction,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = transaction;
        async { Ok(()) }
    }
}

/// One build of a projection's views, from the first event on. A rebuild is a new generation alongside the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// The projection.
    pub projection: &'static str,
    /// Its number, from 1. Never reused.
    pub number: u32,
    /// The views that the projection lists.
    pub views: Arc<[ViewDefinition]>,
}

impl Generation {
    /// Creates a generation, for tests of a [`ViewStore`].
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

/// The parts of a view's definition that stored rows depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ViewDefinition {
    /// The name of the table.
    pub name: &'static str,
    /// Its key, fields and indexes in words: rows are only read with the definition with which they were written.
    pub form: String,
    /// The columns that a database can make of it: for every [`View`](crate::View).
    pub table: Option<Arc<TableDefinition>>,
}

impl ViewDefinition {
    /// Creates the definition of a view that a [`ViewStore`](crate::projection::ViewStore) of your own interprets: for one in
    /// SQL, `form` may list the columns. When it changes, the view is rebuilt.
    #[must_use]
    pub fn new(name: &'static str, form: impl Into<String>) -> Self {
        ViewDefinition {
            name,
            form: form.into(),
            table: None,
        }
    }
}

/// A view as a table: which fields its key and its indexes have, and the forms of their values.
///
/// A form is what [`ViewKey::column`](crate::ViewKey::column) writes, such as `u32`, or `(text, u64)` for two fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableDefinition {
    /// The name of the view.
    pub view: &'static str,
    /// The key of its rows.
    pub key: FieldsDefinition,
    /// Its indexes, in the order of their numbers.
    pub indexes: Vec<IndexDefinition>,
}

/// Fields of a row, and the form of their value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldsDefinition {
    /// The names of the fields.
    pub fields: &'static [&'static str],
    /// The form of their value: of a tuple, if there are several.
    pub form: String,
}

/// An index of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexDefinition {
    /// Its name.
    pub name: &'static str,
    /// Whether only one row may have a value without a `None` in it.
    pub unique: bool,
    /// Its value.
    pub value: FieldsDefinition,
}
