//! Views in a database that awaits each read: what it must do, and the rows that a transaction has read of it.

mod definition;
mod loaded;
mod shown;

pub use definition::{
    Answer, ClaimsRead, NewRow, NotesRange, RowChange, RowRange, RowsRead, RowsWrite, TableChange,
    TableRef, ViewData, ViewDatabase, ViewRead, ViewWrite,
};
pub(super) use loaded::{LoadedEntries, LoadedRange};
pub use shown::{PAGE_ROWS, cursor_after, cursor_position, note_of, table_of};
