//! Views: typed tables that projections keep, found by key and by index.

mod context;
mod cursor;
mod error;
mod key;
mod key_types;
mod layout;
mod notes;
mod scan;
mod select;
mod show;
mod snapshot;
mod store;
mod table;
mod transaction;
mod views;

pub use cursor::{Cursor, CursorError, Page};
pub use error::ViewError;
pub use key::{KeyBytes, KeyOf, ViewKey};
pub use layout::KEY_BYTES;
pub use select::Select;
pub use snapshot::ViewSnapshot;
pub use transaction::ViewTransaction;
pub use views::Views;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A row of a table that a projection keeps, found by its key and by its indexes.
///
/// Implement it with the derive of the same name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    label = "this type does not implement `View`",
    note = "add `#[derive(Serialize, Deserialize, View)]` and `#[view(name = \"..\", key = ..)]` to `{Self}`"
)]
pub trait View: ViewRow {
    /// The name of the table.
    const NAME: &'static str;
    /// The indexes, in the order of their numbers.
    const INDEXES: &'static [ViewIndex<Self>];
    /// What tells one row from another.
    type Key: ViewKey;

    /// Writes the key of this row, as [`ViewKey::encode`] of [`Self::Key`] does.
    fn encode_key(&self, bytes: &mut KeyBytes);

    /// Describes the fields, as they are written in the source: where it changes, the view is rebuilt.
    fn describe(form: &mut String);
}

/// What a struct must be able to do before it can be a [`View`]; implemented by itself.
#[diagnostic::on_unimplemented(
    message = "view `{Self}` cannot be written and read back",
    label = "the rows of a view need `Serialize` and `Deserialize`",
    note = "write `#[derive(serde::Serialize, serde::Deserialize, View)]`"
)]
// Serde's traits are not above it, for the reason that they are not above that of an event.
pub trait ViewRow: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    fn __to_json(&self) -> Result<Vec<u8>, serde_json::Error>;
    #[doc(hidden)]
    fn __from_json(json: &[u8]) -> Result<Self, serde_json::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> ViewRow for T {
    fn __to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    fn __from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}

/// One index of a view.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewIndex<V> {
    /// Its name: that of the field.
    pub name: &'static str,
    /// Whether no two rows may have one value.
    pub unique: bool,
    /// Describes the form of its values, as [`ViewKey::describe`].
    pub describe: fn(&mut String),
    /// Writes a row's value.
    pub encode: fn(&V, &mut KeyBytes),
}

impl<V> ViewIndex<V> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        name: &'static str,
        unique: bool,
        describe: fn(&mut String),
        encode: fn(&V, &mut KeyBytes),
    ) -> Self {
        ViewIndex {
            name,
            unique,
            describe,
            encode,
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
    /// The definition of a view that a [`ViewStore`](crate::ViewStore) makes something of by itself: for one on
    /// SQL, `form` may be the columns. Where it changes, the view is rebuilt.
    #[must_use]
    pub fn new(name: &'static str, form: impl Into<String>) -> Self {
        ViewDefinition {
            name,
            form: form.into(),
        }
    }

    /// The definition of a view.
    #[must_use]
    pub fn of<V: View>() -> Self {
        const {
            assert!(
                V::INDEXES.len() <= layout::INDEXES,
                "a view has at most 254 indexes"
            );
        }
        let mut form = String::from("key ");
        V::Key::describe(&mut form);
        form.push_str("; fields ");
        V::describe(&mut form);
        for index in V::INDEXES {
            form.push_str(if index.unique {
                "; unique index "
            } else {
                "; index "
            });
            form.push_str(index.name);
            form.push(' ');
            (index.describe)(&mut form);
        }
        ViewDefinition {
            name: V::NAME,
            form,
        }
    }
}
