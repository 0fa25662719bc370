//! Pages of rows, and where the next one begins.

/// Rows of a view, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<V> {
    /// The rows, in the order of the selection.
    pub rows: Vec<V>,
    /// Where the next page begins; `None` when these are the last rows.
    pub next: Option<Cursor>,
}

/// The last row of a page: what [`Select::after`](super::Select::after) goes on from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub(super) view: Box<str>,
    /// The name of the index; empty is the key.
    pub(super) index: Box<str>,
    /// Tells one definition of the view from another.
    pub(super) form: u32,
    /// The last row's bytes in the order of the selection.
    pub(super) last: Box<[u8]>,
}
