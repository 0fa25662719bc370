//! Notes: texts by key that consumers store, read and written in transactions.

mod entries;
mod held;
mod store;
mod transaction;

pub use entries::StoreNotes;
pub use held::Held;
pub(crate) use held::Reading;
pub use store::NoteStore;
pub use transaction::NotesTransaction;
pub(crate) use transaction::Texts;
