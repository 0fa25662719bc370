//! What a database does in which views are tables.

use crate::projection::TableDefinition;
use crate::view::ViewError;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::pin::Pin;
use std::sync::Arc;

/// A database in which views are tables. [`Views::in_database`](crate::Views::in_database) keeps the views of projections
/// in it: for authors of stores.
///
/// It is read before a handler runs, and written at the commit; nothing is held open in between. When a handler asks
/// for a row that has not been read, the handler is called again once the row is there; rows that many events ask for are
/// read at once.
///
/// Keys and values of indexes are bytes, as [`ViewKey::encode`](crate::ViewKey::encode) writes them; the
/// [definition](TableDefinition) of a table has their form.
pub trait ViewDatabase: Send + Sync + 'static {
    /// Reads rows, and then notes, so that rows are not newer than the notes that a transaction relies on.
    fn read<'a>(&'a self, read: &'a ViewRead) -> Answer<'a, ViewData>;

    /// Returns the database as it is now: all that is read of it is of one moment, and nothing is written.
    fn snapshot(&self) -> Answer<'_, Arc<dyn ViewDatabase>>;

    /// Makes all changes, or none. Returns [`ViewError::Changed`] if an expected note is another one, and
    /// [`ViewError::Conflict`] if the transaction must begin again because of others.
    fn write(&self, write: ViewWrite) -> Answer<'_, ()>;
}

/// What a database answers, once it does.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ViewError>> + Send + 'a>>;

/// A table of one generation of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableRef {
    /// Its number, which no other table of the database has had.
    pub number: u32,
    /// Its columns.
    pub definition: Arc<TableDefinition>,
}

impl TableRef {
    /// Creates a reference to a table.
    #[must_use]
    pub const fn new(number: u32, definition: Arc<TableDefinition>) -> Self {
        TableRef { number, definition }
    }
}

/// What to read.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ViewRead {
    /// Keys of notes.
    pub notes: Vec<String>,
    /// Notes by a prefix.
    pub lists: Vec<NotesRange>,
    /// Rows by their keys.
    pub rows: Vec<RowsRead>,
    /// Rows by their values in unique indexes.
    pub claims: Vec<ClaimsRead>,
    /// Rows of a range.
    pub ranges: Vec<(TableRef, RowRange)>,
}

impl ViewRead {
    /// Returns whether there is nothing to read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.notes.is_empty()
            && self.lists.is_empty()
            && self.rows.is_empty()
            && self.claims.is_empty()
            && self.ranges.is_empty()
    }
}

/// The notes whose key begins with a prefix and follows a key, in the order of the bytes of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotesRange {
    /// The prefix.
    pub prefix: String,
    /// The key before the first one; empty for all.
    pub after: String,
    /// At most this many.
    pub limit: Option<usize>,
}

impl NotesRange {
    pub(in crate::view) fn new(prefix: &str, after: &str, limit: usize) -> Self {
        NotesRange {
            prefix: prefix.to_owned(),
            after: after.to_owned(),
            limit: (limit < usize::MAX).then_some(limit),
        }
    }
}

/// Rows of a table by their keys.
#[derive(Debug)]
#[non_exhaustive]
pub struct RowsRead {
    /// The table.
    pub table: TableRef,
    /// The keys, each once.
    pub keys: Vec<Vec<u8>>,
}

/// Rows of a table by their values in a unique index.
#[derive(Debug)]
#[non_exhaustive]
pub struct ClaimsRead {
    /// The table.
    pub table: TableRef,
    /// The number of the index.
    pub index: usize,
    /// The values, each once.
    pub values: Vec<Vec<u8>>,
}

/// Rows between two keys, or between two values of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowRange {
    /// The number of the index; `None` for the key.
    pub index: Option<usize>,
    /// The first value. It may be the beginning of values, such as the first field of several, or the first letters of a
    /// text: an included beginning includes all values that begin so.
    pub from: Bound<Vec<u8>>,
    /// The last value, likewise.
    pub to: Bound<Vec<u8>>,
    /// Whether the last rows come first.
    pub is_reverse: bool,
    /// At most this many rows.
    pub limit: Option<usize>,
}

/// What was read: as many answers of each kind as there were questions, in their order. Rows are JSON.
#[derive(Debug, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct ViewData {
    /// Each note, if there is one.
    pub notes: Vec<Option<String>>,
    /// Keys and texts.
    pub lists: Vec<Vec<(String, String)>>,
    /// The rows that there are, each with the index of its key.
    pub rows: Vec<Vec<(usize, Vec<u8>)>>,
    /// The rows that there are, each with the index of its value.
    pub claims: Vec<Vec<(usize, Vec<u8>)>>,
    /// Rows in the order of the range.
    pub ranges: Vec<Vec<Vec<u8>>>,
}

/// What to write, in one transaction.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewWrite {
    /// The notes on which the changes rely: each must be as it is here, or absent if it is `None`.
    pub expected: BTreeMap<String, Option<String>>,
    /// The new notes; `None` removes one.
    pub notes: BTreeMap<String, Option<String>>,
    /// Tables that come and go, before rows are written.
    pub tables: Vec<TableChange>,
    /// The changed rows.
    pub rows: Vec<RowsWrite>,
}

impl ViewWrite {
    /// Returns whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.tables.is_empty() && self.rows.is_empty()
    }
}

/// A change of the tables themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableChange {
    /// Creates an empty table.
    Create(TableRef),
    /// Lets readers see a table under the name of its view, instead of any other.
    Show(TableRef),
    /// Lets readers see no table under the name of a view.
    Hide {
        /// The view.
        view: String,
    },
    /// Removes a table, which readers no longer see.
    Drop {
        /// The view.
        view: String,
        /// The number of the table.
        number: u32,
    },
}

/// Changed rows of one table.
#[derive(Debug)]
#[non_exhaustive]
pub struct RowsWrite {
    /// The table.
    pub table: TableRef,
    /// The rows, each key once.
    pub rows: Vec<RowChange>,
}

/// A changed row.
#[derive(Debug)]
#[non_exhaustive]
pub struct RowChange {
    /// The key.
    pub key: Vec<u8>,
    /// The row as it is now; `None` when it was removed.
    pub row: Option<NewRow>,
}

/// A row that is written.
#[derive(Debug)]
#[non_exhaustive]
pub struct NewRow {
    /// The row.
    pub json: Vec<u8>,
    /// Its value in each index.
    pub values: Vec<Vec<u8>>,
}

impl RowChange {
    pub(in crate::view) const fn new(key: Vec<u8>, row: Option<NewRow>) -> Self {
        RowChange { key, row }
    }
}

impl NewRow {
    pub(in crate::view) const fn new(json: Vec<u8>, values: Vec<Vec<u8>>) -> Self {
        NewRow { json, values }
    }
}
