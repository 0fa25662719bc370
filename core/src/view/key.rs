//! Keys of views and of their indexes: values as bytes that sort as the values do.

/// A value that a view can be found by: its bytes sort as the value does.
///
/// Texts, whole numbers, `bool`, `Option`s and tuples of such values are keys; `#[derive(ViewKey)]`
/// makes a key of a struct whose fields are keys, such as a newtype, or of an enum without fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a view or of an index",
    label = "this type does not implement `ViewKey`",
    note = "add `#[derive(ViewKey)]` to `{Self}`; texts, whole numbers, `bool`, `Option`s and tuples of them are keys already"
)]
pub trait ViewKey: Send + Sync + 'static {
    /// Describes the form of the bytes, such as `u32` or `(text, u64)`: where it changes, views are rebuilt.
    fn describe(form: &mut String);

    /// Writes the value. No value's bytes are the beginning of another's.
    fn encode(&self, bytes: &mut KeyBytes);
}

/// The bytes of a key, as they are put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyBytes(Vec<u8>);
