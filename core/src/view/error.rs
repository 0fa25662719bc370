//! What can go wrong with views.

use super::layout::KEY_BYTES;
use crate::error::{Classify, ErrorKind};
use crate::event::codec::JsonError;
use crate::limits::ENTRY_VALUE_BYTES;
use crate::store::EntryError;
use crate::store::StoreError;

/// Why a view could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// No projection has made this view yet.
    #[error("view \"{view}\" has not been built yet; run its projection")]
    NotBuilt {
        /// The view.
        view: &'static str,
    },
    /// The stored rows were written with another definition of the view.
    #[error(
        "view \"{view}\" is stored with another definition than this program's, and cannot be read until it is rebuilt: run its projection and wait, and let the previous release serve readers meanwhile (stored: {stored}; expected: {expected})"
    )]
    OtherDefinition {
        /// The view.
        view: &'static str,
        /// The [form](crate::projection::ViewDefinition::form) of what is stored.
        stored: String,
        /// The form that this program reads and writes.
        expected: String,
    },
    /// A stored row cannot be read.
    #[error(
        "the row {key} of view \"{view}\" is damaged: {reason}; rebuild its projection, with `MidgardHandle::rebuild`"
    )]
    Damaged {
        /// The view.
        view: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored note cannot be read.
    #[error("the note \"{note}\" is damaged: {reason}; restore the store from a backup")]
    DamagedNote {
        /// The note's key.
        note: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The views were written by a newer release, in a format that this one does not know.
    #[error(
        "the note \"{note}\" has format {found}; this release reads format 1: use the release that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The note's key.
        note: String,
        /// Its format.
        found: u32,
    },
    /// A row cannot be written as JSON.
    #[error("the row {key} of view \"{view}\" cannot be written as JSON: {cause}")]
    Encode {
        /// The view.
        view: &'static str,
        /// The row's key.
        key: String,
        /// Why.
        cause: JsonError,
    },
    /// A row cannot be read back from the JSON that it is written as. It was not stored: readers would find it damaged.
    #[error(
        "what is written of the row {key} of view \"{view}\" cannot be read back: {cause}; give it values that JSON has, such as floats that are finite, and let its `Deserialize` read all that its `Serialize` writes"
    )]
    Unreadable {
        /// The view.
        view: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        cause: JsonError,
    },
    /// A row would change each time it is written and read.
    #[error(
        "the row {key} of view \"{view}\" would be read back with other values than were put; let its `Deserialize` restore the values that its `Serialize` writes"
    )]
    NotKept {
        /// The view.
        view: &'static str,
        /// The row's key.
        key: String,
    },
    /// A key is too long.
    #[error(
        "a key of view \"{view}\" has {actual} bytes; at most {KEY_BYTES} are allowed; give the row a shorter key"
    )]
    KeyTooLong {
        /// The view.
        view: &'static str,
        /// Its length, in bytes.
        actual: usize,
    },
    /// The value of an index is too long.
    #[error(
        "a value of index \"{index}\" of view \"{view}\" has {actual} bytes with the key of its row; at most {KEY_BYTES} are allowed; index a shorter value"
    )]
    IndexTooLong {
        /// The view.
        view: &'static str,
        /// The index.
        index: &'static str,
        /// The length of value and key, in bytes.
        actual: usize,
    },
    /// A row is too large.
    #[error(
        "the row {key} of view \"{view}\" has {actual} bytes; at most {ENTRY_VALUE_BYTES} are allowed; keep less in one row"
    )]
    RowTooLarge {
        /// The view.
        view: &'static str,
        /// The row's key.
        key: String,
        /// Its size, in bytes.
        actual: usize,
    },
    /// Two rows have the same value in a unique index.
    #[error(
        "the rows {other} and {key} of view \"{view}\" both have {value} in the unique index \"{index}\"; give them different values, or make the index not unique"
    )]
    NotUnique {
        /// The view.
        view: &'static str,
        /// The index.
        index: &'static str,
        /// The value.
        value: String,
        /// The key of the row that was written.
        key: String,
        /// The key of the row that has the value already.
        other: String,
    },
    /// A change of a row changed its key.
    #[error(
        "a change of the row {before} of view \"{view}\" made its key {after}; remove the row and put a new one instead"
    )]
    KeyChanged {
        /// The view.
        view: &'static str,
        /// The key before.
        before: String,
        /// The key after.
        after: String,
    },
    /// A cursor does not fit the selection that it is used with.
    #[error("the cursor does not fit: {reason}; begin again at the first page of view \"{view}\"")]
    OtherCursor {
        /// The view of the selection.
        view: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// A selection names an index that the view does not have.
    #[error("view \"{view}\" has no index number {index}; it has {count} of them, from 0")]
    UnknownIndex {
        /// The view.
        view: &'static str,
        /// The number of the index.
        index: usize,
        /// How many indexes there are.
        count: usize,
    },
    /// Another projection keeps a view of this name.
    #[error(
        "projection \"{projection}\" cannot keep the view \"{view}\", which projection \"{owner}\" keeps; give one of the views another name"
    )]
    OwnedByOther {
        /// The view.
        view: String,
        /// The projection that wants to keep it.
        projection: String,
        /// The projection that keeps it.
        owner: String,
    },
    /// A projection cannot be renamed to a name that is already in use.
    #[error(
        "projection \"{projection}\" cannot be renamed to \"{name}\", as something is already kept under this name; if it is not needed, remove it with `Views::remove_projection(\"{name}\")` first"
    )]
    NameTaken {
        /// The projection.
        projection: String,
        /// Its intended name.
        name: String,
    },
    /// The tables of a generation were not made.
    #[error(
        "projection \"{projection}\" has no table for the view \"{view}\" in generation {generation}; list the view in `views(..)`, and prepare the generation"
    )]
    NotPrepared {
        /// The view.
        view: String,
        /// The projection.
        projection: String,
        /// The generation.
        generation: u32,
    },
    /// Two types of the program are written to one table.
    #[error("two types of this program are the view \"{view}\"; give one of them another name")]
    TwoTypes {
        /// The view.
        view: &'static str,
    },
    /// A change failed half-way, and its error was ignored.
    #[error("the transaction cannot be committed after an error in it: {reason}")]
    Failed {
        /// The error.
        reason: String,
    },
    /// Another transaction changed what this one has read. Nothing was written.
    #[error(
        "the note \"{note}\" was changed by another transaction meanwhile; begin this one again"
    )]
    Changed {
        /// The note's key.
        note: String,
    },
    /// The transaction must begin again because of what others do meanwhile. Nothing was written.
    #[error("the transaction must begin again, because of others: {reason}")]
    Conflict {
        /// What the database says.
        reason: String,
    },
    /// A database does not take a row.
    #[error("the row {key} of view \"{view}\" cannot be kept: {reason}")]
    Refused {
        /// The view.
        view: String,
        /// The row's key.
        key: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A database cannot keep a view as it is defined.
    #[error("view \"{view}\" cannot be a table: {reason}")]
    NoTable {
        /// The view.
        view: String,
        /// Why, and what to do.
        reason: String,
    },
    /// Views in a database cannot be read without waiting.
    #[error("these views are in a database; read them with the type that opened the database")]
    InDatabase,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Classify for ViewError {
    fn kind(&self) -> ErrorKind<'_> {
        match self {
            ViewError::KeyTooLong { .. } | ViewError::OtherCursor { .. } => ErrorKind::Invalid,
            // Its projection is at work on it.
            ViewError::NotBuilt { .. } | ViewError::OtherDefinition { .. } => {
                ErrorKind::Unavailable
            }
            ViewError::Changed { .. } => ErrorKind::Conflict,
            ViewError::Store(error) => error.kind(),
            _ => ErrorKind::Internal,
        }
    }
}

impl From<EntryError> for ViewError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Changed { key } => ViewError::Changed {
                note: String::from_utf8_lossy(&key).into_owned(),
            },
            EntryError::Store(error) => ViewError::Store(error),
        }
    }
}
