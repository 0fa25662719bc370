//! Keys of views and of their indexes: values as bytes that sort as the values do.

use std::cmp::Ordering;

/// A value by which rows of a view can be found: its bytes sort as the value does.
///
/// Texts, whole numbers of a fixed size (not `usize`), `bool`, `char`, bytes (`Vec<u8>`, `[u8; N]`), `Uuid`,
/// `EventId`, `Position`, `Version`, `Timestamp`, `StreamName`, `Option`s and tuples of up to six of them are keys.
/// With the features `jiff`, `chrono` and `rust_decimal`, so are the times, dates and durations of those crates, and `Decimal`.
/// `#[derive(ViewKey)]` makes a key of a struct whose fields are keys, such as a newtype, and of an enum without
/// fields:
///
/// ```
/// use midgard::view::KeyBytes;
/// use midgard::ViewKey;
///
/// #[derive(ViewKey)]
/// struct CustomerId(u64);
///
/// #[derive(ViewKey)]
/// struct Place { country: String, city: String }
///
/// #[derive(ViewKey)]
/// enum Status { Pending, Approved, Rejected }
///
/// assert!(KeyBytes::of(&Status::Pending) < KeyBytes::of(&Status::Approved));
/// # let _ = (CustomerId(7), Place { country: String::new(), city: String::new() }, Status::Rejected);
/// ```
///
/// They sort as with the derive of `Ord`: by the first field, then the second; variants as they are declared. A
/// change of the fields' types, or of the variants, changes the form: views with such a key are rebuilt.
///
/// An implementation by hand combines other keys, or the pieces that [`KeyBytes`] offers:
///
/// ```
/// use midgard::view::KeyBytes;
/// use midgard::ViewKey;
///
/// /// A version such as 1.12, which sorts after 1.9.
/// struct Release { major: u16, minor: u16 }
///
/// impl ViewKey for Release {
///     fn describe(form: &mut String) {
///         <(u16, u16)>::describe(form);
///     }
///
///     fn encode(&self, bytes: &mut KeyBytes) {
///         self.major.encode(bytes);
///         self.minor.encode(bytes);
///     }
/// }
///
/// let [old, new] = [9, 12].map(|minor| KeyBytes::of(&Release { major: 1, minor }));
/// assert!(old < new);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a view or of an index",
    label = "this type does not implement `ViewKey`",
    note = "a type of your own becomes a key with `#[derive(ViewKey)]`; texts, whole numbers of a fixed size, `bool`, and `Option`s and tuples of keys are keys already",
    note = "for a type of another crate, turn on the feature of `midgard` that is named like the crate, if there is one (`chrono`, `jiff`, `rust_decimal`); otherwise give the row another field that is a key, such as `at_micros: u64` for a time or `cents: u64` for a price, and index that one"
)]
pub trait ViewKey: Send + Sync + 'static {
    /// Describes the form of the bytes, such as `u32` or `(text, u64)`. When the form changes, views are rebuilt.
    fn describe(form: &mut String);

    /// Writes the value. No value's bytes are the beginning of another's.
    fn encode(&self, bytes: &mut KeyBytes);

    /// Describes the same bytes for databases in which views are tables: as [`describe`](Self::describe), with `timestamp`
    /// and `uuid` where the bytes are one. A change of it changes columns, and no embedded view. By default calls `describe`.
    fn column(form: &mut String) {
        Self::describe(form);
    }

    /// Whether the byte 00 stands for no value, which is exempt in a unique index.
    #[doc(hidden)]
    const __IS_OPTIONAL: bool = false;
}

/// How the keys of a view are described and written.
#[derive(Debug)]
#[non_exhaustive]
pub struct KeyForm<K> {
    /// As [`ViewKey::describe`].
    pub describe: fn(&mut String),
    /// As [`ViewKey::encode`].
    pub encode: fn(&K, &mut KeyBytes),
    /// As [`ViewKey::column`].
    pub column: fn(&mut String),
}

impl<K> KeyForm<K> {
    /// Returns the form of a type that is a key.
    #[must_use]
    pub const fn of() -> Self
    where
        K: ViewKey,
    {
        KeyForm::__new(K::describe, K::encode, K::column)
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn __new(
        describe: fn(&mut String),
        encode: fn(&K, &mut KeyBytes),
        column: fn(&mut String),
    ) -> Self {
        KeyForm {
            describe,
            encode,
            column,
        }
    }
}

/// The bytes of a key while they are built. They compare byte by byte.
#[derive(Debug, Clone, Default)]
pub struct KeyBytes {
    bytes: Vec<u8>,
    /// Whether there is a `None` in it.
    has_none: bool,
}

impl PartialEq for KeyBytes {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for KeyBytes {}

impl PartialOrd for KeyBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KeyBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl KeyBytes {
    /// Creates a key without bytes.
    #[must_use]
    pub const fn new() -> Self {
        KeyBytes {
            bytes: Vec::new(),
            has_none: false,
        }
    }

    /// Returns the bytes of a key.
    #[must_use]
    pub fn of<K: ViewKey>(key: &K) -> Self {
        let mut bytes = KeyBytes::new();
        key.encode(&mut bytes);
        bytes
    }

    /// Adds bytes unchanged: for values that all have the same number of bytes, such as the
    /// big-endian bytes of a number.
    pub fn push_fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds the mark of no value.
    pub(crate) fn push_none(&mut self) {
        self.bytes.push(0);
        self.has_none = true;
    }

    /// Returns whether one of the added values is `None`.
    pub(crate) const fn has_none(&self) -> bool {
        self.has_none
    }

    /// Adds a text of any length.
    pub fn push_text(&mut self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// Adds the beginning that the bytes of all texts with this prefix share.
    pub(crate) fn push_beginning(&mut self, text: &str) {
        self.push_text(text);
        self.bytes.pop();
    }

    /// Adds bytes of any number: each 00 becomes 01 01, each 01 becomes 01 02, and a 00 is the end. So a
    /// longer value sorts after its own beginning, whatever follows, and neither begins with the other.
    pub fn push_bytes(&mut self, mut bytes: &[u8]) {
        while let Some(at) = bytes.iter().position(|byte| *byte <= 1) {
            let (plain, rest) = bytes.split_at(at);
            self.bytes.extend_from_slice(plain);
            self.bytes.extend([1, rest[0] + 1]);
            bytes = &rest[1..];
        }
        self.bytes.extend_from_slice(bytes);
        self.bytes.push(0);
    }

    /// Returns all bytes so far.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Removes the bytes and keeps the allocation for reuse.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.has_none = false;
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
