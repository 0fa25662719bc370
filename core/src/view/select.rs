//! Selections: which rows of a view to read.

// Selections and keys are passed by value, so that calls read as they should.
#![allow(clippy::needless_pass_by_value)]

use super::View;
use super::cursor::Cursor;
use super::database::RowRange;
use super::key::KeyBytes;
use super::lookup::{KeyOf, RangeOf};
use std::fmt;
use std::ops::Bound;

/// A selection of rows of a view: by the key or an index, in the order of that key or index, with filters and a limit.
///
/// `#[derive(View)]` makes a function for each index, such as `Customer::by_city("Oslo")`.
///
/// ```
/// use midgard::view::Select;
/// use midgard::View;
///
/// fn rich<V: View<Key = u64>>(is_rich: impl Fn(&V) -> bool + Send + Sync + 'static) -> Select<V> {
///     Select::keys(100..200).filter(is_rich).reverse().limit(10)
/// }
/// ```
#[must_use = "a selection reads nothing by itself; pass it to `select`, `first`, `count`, `page` or `for_each`"]
pub struct Select<V> {
    /// The index to select by; `None` selects by key.
    pub(super) index: Option<usize>,
    /// Values of the index or keys, as bytes.
    pub(super) from: Bound<Vec<u8>>,
    pub(super) to: Bound<Vec<u8>>,
    pub(super) is_reverse: bool,
    pub(super) limit: Option<usize>,
    pub(super) filter: Option<Filter<V>>,
    pub(super) after: Option<Cursor>,
}

pub(super) type Filter<V> = Box<dyn Fn(&V) -> bool + Send + Sync>;

impl<V: View> Select<V> {
    /// Selects all rows, in the order of their keys.
    pub const fn all() -> Self {
        Select::between(None, Bound::Unbounded, Bound::Unbounded)
    }

    /// Selects the rows whose keys are in a range, in the order of their keys.
    pub fn keys(range: impl RangeOf<V::Key>) -> Self {
        Select::of_range(None, range.encode_bounds(V::KEY.encode))
    }

    /// Selects the rows that have this value in an index, in the order of their keys.
    #[doc(hidden)]
    pub fn __equal<T>(index: usize, value: impl KeyOf<T>, encode: fn(&T, &mut KeyBytes)) -> Self {
        let mut bytes = KeyBytes::new();
        value.encode_key(encode, &mut bytes);
        let value = Bound::Included(bytes);
        Select::of_range(Some(index), (value.clone(), value))
    }

    /// Selects the rows whose values in an index are in a range, in the order of values and then of keys.
    #[doc(hidden)]
    pub fn __range<T>(index: usize, range: impl RangeOf<T>, encode: fn(&T, &mut KeyBytes)) -> Self {
        Select::of_range(Some(index), range.encode_bounds(encode))
    }

    /// Selects all rows, in the order of an index.
    #[doc(hidden)]
    pub const fn __in_order(index: usize) -> Self {
        Select::between(Some(index), Bound::Unbounded, Bound::Unbounded)
    }

    /// Reverses the order: the last rows come first.
    pub const fn reverse(mut self) -> Self {
        self.is_reverse = !self.is_reverse;
        self
    }

    /// Selects at most this many rows.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Selects only rows that pass the filter; a second filter is applied after the first. Rows that do not pass are
    /// read all the same, so an index is faster when few pass.
    pub fn filter(mut self, passes: impl Fn(&V) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Some(match self.filter.take() {
            None => Box::new(passes),
            Some(first) => Box::new(move |row| first(row) && passes(row)),
        });
        self
    }

    /// Selects only rows after the last one of a [`Page`](super::Page), in the direction of this selection.
    pub fn after(mut self, cursor: &Cursor) -> Self {
        self.after = Some(cursor.clone());
        self
    }

    const fn between(index: Option<usize>, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> Self {
        Select {
            index,
            from,
            to,
            is_reverse: false,
            limit: None,
            filter: None,
            after: None,
        }
    }

    fn of_range(index: Option<usize>, (from, to): (Bound<KeyBytes>, Bound<KeyBytes>)) -> Self {
        Select::between(
            index,
            from.map(KeyBytes::into_bytes),
            to.map(KeyBytes::into_bytes),
        )
    }

    /// Returns the range that it reads, for databases: without its filter and its cursor.
    #[must_use]
    pub fn range(&self) -> RowRange {
        RowRange {
            index: self.index,
            from: self.from.clone(),
            to: self.to.clone(),
            is_reverse: self.is_reverse,
            limit: self.limit,
        }
    }

    /// Returns whether it has a filter.
    #[must_use]
    pub const fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// Returns whether a row passes the filter.
    #[must_use]
    pub fn passes(&self, row: &V) -> bool {
        self.filter.as_ref().is_none_or(|passes| passes(row))
    }
}

impl<V: View> fmt::Debug for Select<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self.index.and_then(|index| V::INDEXES.get(index));
        f.debug_struct("Select")
            .field("view", &V::NAME)
            .field("index", &index.map(|index| index.name))
            .field("is_reverse", &self.is_reverse)
            .field("limit", &self.limit)
            .field("is_filtered", &self.filter.is_some())
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
