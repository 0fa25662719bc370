//! Notes: texts by key that consumers keep, read and written in transactions.

pub(crate) mod entries;
mod held;
mod store;

pub use held::Held;
pub(crate) use held::Reading;
pub use store::NoteStore;
