//! Views: typed tables that projections keep, found by key and by index.

#[doc(hidden)]
use super::key::{KeyBytes, KeyForm};
use super::key_types::OPTIONAL;
use super::layout;
use crate::event::codec::{JsonError, from_json, to_json};
use crate::projection::ViewDefinition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

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
/// - `key = a` or `key = (a, b)` tells one row from another. Rows are in its order.
/// - `index(a)` makes `by_a`, the rows with a value of the field. Its value may be anything that is a
///   [`ViewKey`](crate::ViewKey), or [stands for one](super::KeyOf): a `&str` for a `String`.
/// - `index(a, ordered)` makes `by_a_range` and `ordered_by_a` as well.
/// - `index(a, unique)` lets no two rows have one value: the commit of a second one fails. A `None` is no
///   value, and any number of rows may have it. So it is with an index of several fields of which one is `None`.
/// - `index(name = (a, b))` is of several fields, and its value is the tuple of them.
///
/// # Rows that are stored
///
/// A row is stored as JSON, as serde writes it. So that views are the same however many events are projected at once, each
/// row that an event has changed is written and read when its handler is done, and later events see what was read. The
/// derive refuses fields that serde skips, and an `Option` of an `Option`, as JSON has one `null`. What it cannot know is
/// looked at for each row: one that cannot be read, as with a float that is not finite, or that would change each
/// time it is written, fails its event with [`ViewError::Unreadable`](super::ViewError::Unreadable) or [`ViewError::NotKept`](super::ViewError::NotKept). What is written once and
/// read as something else, as a number that is rounded, is what was read, for live and for rebuilt views.
///
/// Beside the rows is the [definition](ViewDefinition) of their
/// view: its key, its indexes, and its fields with their types and serde attributes, as they are written.
/// When a program has another one, the projection builds the view anew. Meanwhile, readers of the release before see the old
/// rows. Those of the new release get [`ViewError::OtherDefinition`](super::ViewError::OtherDefinition) until the new ones are complete, but for one change: where
/// fields were only added, each with `#[serde(default)]` or an `Option`, they see the old rows with the defaults in them. The name of the table is the
/// struct's, as in `order_line` for an `OrderLine`; with `name = ".."` the struct may be renamed
/// and the rows stay.
///
/// What a field's own type looks like is not part of the definition, unless it is a key. Where a change of
/// it makes old rows unreadable or wrong, give the projection the next version.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    label = "this type does not implement `View`",
    note = "a view is a struct with `#[derive(Serialize, Deserialize, View)]` and `#[view(key = ..)]`",
    note = "a row is given by value, not by reference: write `put(row)`, or `put(row.clone())` to keep it"
)]
pub trait View: ViewRow {
    /// The name of the table.
    const NAME: &'static str;
    /// The indexes, in the order of their numbers.
    const INDEXES: &'static [ViewIndex<Self>];
    /// What tells one row from another: a [`ViewKey`](crate::ViewKey).
    type Key: 'static;
    /// How keys are described and written.
    const KEY: KeyForm<Self::Key>;

    /// Writes the key of this row, as [`KeyForm::encode`] of [`Self::KEY`] does.
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
    /// Its name: that of the field.
    pub name: &'static str,
    /// Whether no two rows may have one value. What is `None`, or has a `None` in it, does not count as one.
    pub unique: bool,
    is_optional: bool,
    /// Describes the form of its values, as [`ViewKey::describe`](crate::ViewKey::describe).
    pub describe: fn(&mut String),
    /// Writes a row's value.
    pub encode: fn(&V, &mut KeyBytes),
}

impl<V> ViewIndex<V> {
    #[doc(hidden)]
    #[must_use]
    pub const fn __new(
        name: &'static str,
        unique: bool,
        is_optional: bool,
        describe: fn(&mut String),
        encode: fn(&V, &mut KeyBytes),
    ) -> Self {
        ViewIndex {
            name,
            unique,
            is_optional,
            describe,
            encode,
        }
    }

    /// Whether only one row may have this value.
    pub(super) const fn is_claim(&self, value: &KeyBytes) -> bool {
        self.unique && !value.has_none()
    }

    /// Whether its values are told to be none by what is within them. Rows of earlier releases have such values as claims.
    fn has_optional_parts(&self, form: &str) -> bool {
        let optional = form.matches(OPTIONAL).count();
        self.unique && optional > usize::from(self.is_optional)
    }
}

impl ViewDefinition {
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
        }
    }
}
