//! Views: typed tables that projections keep, found by key and by index.

mod context;
mod cursor;
pub(crate) mod definition;
mod error;
mod form;
mod held;
mod kept;
pub(crate) mod key;
mod key_types;
mod layout;
mod live;
mod lookup;
mod read_back;
mod rows;
mod scan;
mod select;
mod show;
mod snapshot;
mod snapshot_notes;
mod store;
mod table;
mod transaction;
pub(crate) mod views;

pub use cursor::{Cursor, CursorError, Page};
pub(crate) use definition::View;
pub use definition::{ViewIndex, ViewRow};
pub use error::ViewError;
pub use kept::KeptProjection;
pub use key::{KeyBytes, KeyForm};
pub use layout::KEY_BYTES;
pub use live::{Live, LiveError};
pub use lookup::{KeyOf, RangeOf, StartingWith};
pub use select::Select;
pub use snapshot::ViewSnapshot;
pub use transaction::ViewTransaction;
pub(crate) use views::Views;
