//! Views: typed tables that projections keep, found by key and by index.

#[doc(hidden)]
use super::key::{KeyBytes, KeyForm};
use super::key_types::OPTIONAL;
use super::layout;
use crate::event::codec::{JsonError, from_json, to_json};
use crate::projection::{FieldsDefinition, IndexDefinition, TableDefinition, ViewDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;

/// A row of a table that a projection keeps, found by its key and by its indexes.
///
/// Implement it with the derive of the same name, on a struct that serde can write and read. Its attribute
/// names the key and the indexes; a selection by an index is a function of the struct.
///
/// ```
/// use midgard::view::{Select, ViewError};
/// use midgard::{View, Views};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, View)]
/// #[view(
///     key = id,
///     index(city),
///     index(email, unique),
///     index(total, ordered),
///     index(place = (country, city)),
/// )]
/// struct Customer {
///     id: u64,
///     country: String,
///     city: String,
///     email: Option<String>,
///     total: u64,
/// }
///
/// fn print(views: &Views) -> Result<(), ViewError> {
///     let views = views.snapshot()?; // all of it at one moment
///     let ann: Option<Customer> = views.get(7)?;
///     let ann = views.first(Customer::by_email("ann@example.org"))?;
///     let in_oslo = views.select(Customer::by_place(("Norway", "Oslo")))?;
///     let best = views.page(Customer::ordered_by_total().reverse().limit(10))?;
///     let rich = views.count(Customer::by_total_range(1_000_000..))?;
///     let few = views.select(Select::<Customer>::keys(1..=9))?;
/// #   let _ = (ann, in_oslo, best, rich, few);
///     Ok(())
/// }
/// # let _ = print;
/// ```
///
/// - `key = a` or `key = (a, b)` identifies a row. Rows are sorted by it.
/// - `index(a)` makes `by_a`, which selects the rows with a value of the field. The value may be anything that is a
///   [`ViewKey`](crate::ViewKey), or [stands for one](super::KeyOf): a `&str` for a `String`.
/// - `index(a, ordered)` makes `by_a_range` and `ordered_by_a` as well.
/// - `index(a, unique)` makes the index unique: the commit of a second row with the same value fails. Rows without a
///   value (`None`) are exempt, and so are rows with a `None` in an index of several fields.
/// - `index(name = (a, b))` covers several fields; its value is their tuple.
///
/// # Stored rows
///
/// A row is stored as JSON, as serde writes it. When the handler of an event is done, each row that it changed is written
/// and read back, and later events see what was read: so views are the same however many events are projected at once. The
/// derive refuses fields that serde skips, and an `Option` of an `Option`, as JSON has only one `null`. Everything else is
/// checked for each row: a row that cannot be read back, as with a float that is not finite, or that would
/// change each time it is written, fails its event with [`ViewError::Unreadable`](super::ViewError::Unreadable) or
/// [`ViewError::NotKept`](super::ViewError::NotKept). If a value changes only on the first write, as when a number is
/// rounded, the value that was read counts, in live and in rebuilt views.
///
/// The [definition](ViewDefinition) of the view is stored alongside the rows: its key, its indexes, and its fields with
/// their types and serde attributes, as written in the source. When a program has another definition, the projection
/// rebuilds the view. Meanwhile, readers of the previous release see the old rows. Readers of the new release get
/// [`ViewError::OtherDefinition`](super::ViewError::OtherDefinition) until the new rows are complete, with one exception:
/// if fields were only added, each with `#[serde(default)]` or as an `Option`, they see the old rows with the defaults. The
/// name of the table is the struct's, as in `order_line` for an `OrderLine`; with `name = ".."`, the struct may be renamed, and
/// the rows are kept.
///
/// The definition does not look inside the type of a field, unless the field is part of a key. If a change of that type
/// makes old rows unreadable or wrong, give the projection the next version.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    label = "this type does not implement `View`",
    note = "a view is a struct with `#[derive(Serialize, Deserialize, View)]` and `#[view(key = ..)]`",
    note = "rows are passed by value, not by reference: write `put(row)`, or `put(row.clone())` to keep it"
)]
pub trait View: ViewRow {
    /// The name of the table.
    const NAME: &'static str;
    /// The indexes, in the order of their numbers.
    const INDEXES: &'static [ViewIndex<Self>];
    /// The key that identifies a row: a [`ViewKey`](crate::ViewKey).
    type Key: 'static;
    /// How keys are described and written.
    const KEY: KeyForm<Self::Key>;
    /// The fields of the key, after which databases name columns.
    const KEY_FIELDS: &'static [&'static str] = &["key"];

    /// Writes the key of this row, as [`KeyForm::encode`] of [`Self::KEY`] does.
    fn encode_key(&self, bytes: &mut KeyBytes);

    /// Describes the fields, as they are written in the source. When the description changes, the view is rebuilt.
    fn describe(form: &mut String);
}

/// What a struct needs to be a [`View`]; implemented automatically.
#[diagnostic::on_unimplemented(
    message = "view `{Self}` cannot be written and read back",
    label = "the rows of a view need `Serialize` and `Deserialize`",
    note = "write `#[derive(serde::Serialize, serde::Deserialize, View)]`"
)]
// Serde's traits are not its supertraits, for the same reason as with events.
pub trait ViewRow: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    fn __to_json(&self, json: &mut Vec<u8>) -> Result<(), JsonError>;
    #[doc(hidden)]
    fn __from_json(json: &[u8]) -> Result<Self, JsonError>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> ViewRow for T {
    fn __to_json(&self, json: &mut Vec<u8>) -> Result<(), JsonError> {
        to_json(json, self)
    }

    fn __from_json(json: &[u8]) -> Result<Self, JsonError> {
        from_json(json, PhantomData)
    }
}

/// One index of a view.
#[derive(Debug)]
#[non_exhaustive]
pub struct ViewIndex<V> {
    /// Its name: the field's, or the one given.
    pub name: &'static str,
    /// Its fields, after which databases name columns.
    pub fields: &'static [&'static str],
    /// Whether the index is unique. Rows without a value (`None`, or a tuple with a `None`) are exempt.
    pub unique: bool,
    is_optional: bool,
    /// Describes the form of its values, like [`ViewKey::describe`](crate::ViewKey::describe).
    pub describe: fn(&mut String),
    /// Writes a row's value.
    pub encode: fn(&V, &mut KeyBytes),
    /// Describes the form of its values, like [`ViewKey::column`](crate::ViewKey::column).
    pub column: fn(&mut String),
}

impl<V> ViewIndex<V> {
    #[doc(hidden)]
    #[must_use]
    pub const fn __new(
        (name, fields): (&'static str, &'static [&'static str]),
        unique: bool,
        is_optional: bool,
        describe: fn(&mut String),
        encode: fn(&V, &mut KeyBytes),
        column: fn(&mut String),
    ) -> Self {
        ViewIndex {
            name,
            fields,
            unique,
            is_optional,
            describe,
            encode,
            column,
        }
    }

    /// Returns whether only one row may have this value.
    pub(super) const fn is_claim(&self, value: &KeyBytes) -> bool {
        self.unique && !value.has_none()
    }

    /// Returns whether a part of its values may be `None`. Rows of earlier releases have such values as claims.
    fn has_optional_parts(&self, form: &str) -> bool {
        let optional = form.matches(OPTIONAL).count();
        self.unique && optional > usize::from(self.is_optional)
    }
}

impl TableDefinition {
    /// Returns the table of a view.
    #[must_use]
    pub fn of<V: View>() -> Self {
        let fields = |fields, column: fn(&mut String)| {
            let mut form = String::new();
            column(&mut form);
            FieldsDefinition { fields, form }
        };
        let indexes = V::INDEXES.iter().map(|index| IndexDefinition {
            name: index.name,
            unique: index.unique,
            value: fields(index.fields, index.column),
        });
        TableDefinition {
            view: V::NAME,
            key: fields(V::KEY_FIELDS, V::KEY.column),
            indexes: indexes.collect(),
        }
    }
}

impl ViewDefinition {
    /// Returns the definition of a view.
    #[must_use]
    pub fn of<V: View>() -> Self {
        const {
            assert!(
                V::INDEXES.len() <= layout::INDEXES,
                "a view has at most 254 indexes"
            );
        }
        let mut form = String::from("key ");
        (V::KEY.describe)(&mut form);
        form.push_str("; fields ");
        V::describe(&mut form);
        for index in V::INDEXES {
            let mut values = String::new();
            (index.describe)(&mut values);
            form.push_str(if index.has_optional_parts(&values) {
                "; unique index without nones "
            } else if index.unique {
                "; unique index "
            } else {
                "; index "
            });
            form.push_str(index.name);
            form.push(' ');
            form.push_str(&values);
        }
        ViewDefinition {
            name: V::NAME,
            form,
            table: Some(Arc::new(TableDefinition::of::<V>())),
        }
    }
}
