//! Pages of rows, and cursors to the next page.

use super::select::Select;
use super::{View, ViewError};
use crate::projection::ViewDefinition;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// How many rows a page has without a [`Select::limit`].
pub(super) const PAGE: usize = 100;

/// Rows of a view, and where the next page begins.
///
/// ```
/// use midgard::view::{Cursor, Page, Select, ViewError};
/// use midgard::{View, Views};
///
/// /// A page of a list, and the text of the cursor to the next one.
/// fn list<V: View>(views: &Views, after: Option<Cursor>) -> Result<(Vec<V>, Option<String>), ViewError> {
///     let mut select = Select::all().limit(20);
///     if let Some(cursor) = &after {
///         select = select.after(cursor);
///     }
///     let Page { rows, next, .. } = views.page(select)?;
///     Ok((rows, next.map(|cursor| cursor.to_string())))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<V> {
    /// The rows, in the order of the selection.
    pub rows: Vec<V>,
    /// Where the next page begins; `None` when these are the last rows.
    pub next: Option<Cursor>,
}

impl<V> Page<V> {
    /// Creates a page, for authors of stores.
    #[must_use]
    pub const fn of(rows: Vec<V>, next: Option<Cursor>) -> Self {
        Page { rows, next }
    }
}

/// The last row of a page, from which [`Select::after`] continues.
///
/// It prints as a text that is safe in URLs, and parses from it. It stays valid while rows come and go, as it
/// names the last row by key and value. Anyone who has the text can read both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    view: Box<str>,
    /// The name of the index; empty for the key.
    index: Box<str>,
    /// A hash that identifies the definition of the view.
    form: u32,
    /// The last row's bytes in the order of the selection; none before the first row.
    last: Box<[u8]>,
}

impl Cursor {
    pub(super) fn new<V: View>(select: &Select<V>, last: &[u8]) -> Self {
        Cursor {
            view: V::NAME.into(),
            index: index_name(select).into(),
            form: form::<V>(),
            last: last.into(),
        }
    }

    /// Returns the last row's bytes if the cursor fits the selection; `None` before the first row.
    pub(super) fn last<V: View>(&self, select: &Select<V>) -> Result<Option<&[u8]>, ViewError> {
        let name = |index: &str| match index {
            "" => "the order of keys".to_owned(),
            index => format!("index \"{index}\""),
        };
        let reason = if &*self.view != V::NAME {
            format!("it is of view \"{}\"", self.view)
        } else if &*self.index != index_name(select) {
            let (is, used) = (name(&self.index), name(index_name(select)));
            format!("it is of {is}, and was used with {used}")
        } else if self.form != form::<V>() {
            "the definition of the view has changed since".to_owned()
        } else {
            return Ok(Some(&*self.last).filter(|last| !last.is_empty()));
        };
        Err(ViewError::OtherCursor {
            view: V::NAME,
            reason,
        })
    }

    /// Writes version 1: the version, the view and the index (each a length and a text), the form, the rest.
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        for name in [&self.view, &self.index] {
            let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
            bytes.push(length);
            bytes.extend_from_slice(&name.as_bytes()[..length.into()]);
        }
        bytes.extend_from_slice(&self.form.to_be_bytes());
        bytes.extend_from_slice(&self.last);
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        fn name(bytes: &mut &[u8]) -> Option<Box<str>> {
            let length = usize::from(*bytes.split_off_first()?);
            Some(str::from_utf8(bytes.split_off(..length)?).ok()?.into())
        }
        let bytes = &mut bytes;
        (bytes.split_off_first()? == &1).then_some(())?;
        Some(Cursor {
            view: name(bytes)?,
            index: name(bytes)?,
            form: u32::from_be_bytes(*bytes.split_off(..4)?.as_array()?),
            last: (*bytes).into(),
        })
    }
}

fn index_name<V: View>(select: &Select<V>) -> &'static str {
    let index = select.index.and_then(|index| V::INDEXES.get(index));
    index.map_or("", |index| index.name)
}

/// Returns the FNV-1a hash of the view's form.
fn form<V: View>() -> u32 {
    let form = ViewDefinition::of::<V>().form;
    form.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The alphabet of base64url (RFC 4648), which is written without padding.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for three in self.to_bytes().chunks(3) {
            let group = three
                .iter()
                .zip([16, 8, 0])
                .fold(0, |group, (byte, shift)| {
                    group | (u32::from(*byte) << shift)
                });
            for shift in [18, 12, 6, 0].into_iter().take(three.len() + 1) {
                let digit = DIGITS[(group >> shift & 63) as usize];
                text.push(char::from(digit));
            }
        }
        f.pad(&text)
    }
}

/// A text that is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text is not a cursor of this release; pass a cursor as it was printed, or begin at the first page"
)]
#[non_exhaustive]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let mut bytes = Vec::new();
        for four in text.as_bytes().chunks(4) {
            let mut group = 0_u32;
            for (digit, shift) in four.iter().zip([18, 12, 6, 0]) {
                let digit = DIGITS.iter().position(|one| one == digit);
                let digit = digit.and_then(|digit| u32::try_from(digit).ok());
                group |= digit.ok_or(CursorError)? << shift;
            }
            let [_, whole @ ..] = group.to_be_bytes();
            bytes.extend_from_slice(&whole[..four.len() - 1]);
        }
        let cursor = Cursor::from_bytes(&bytes).ok_or(CursorError)?;
        // One cursor has one text.
        (cursor.to_string() == text)
            .then_some(cursor)
            .ok_or(CursorError)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
