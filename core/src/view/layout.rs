//! The keys of the entries that hold views.
//!
//! Version 1. Notes are entries whose key is a text; keys of rows and indexes begin with FF, which no
//! text does. Numbers are big endian, `key` and `value` as [`KeyBytes`](super::KeyBytes) writes them.
//!
//! | entry | its value |
//! |---|---|
//! | `FF table:u32 00 key` | the row, as JSON |
//! | `FF table:u32 (index + 1):u8 value key` | the key's bytes; for an index that is not unique, and for a value with a `None` in it |
//! | `FF table:u32 (index + 1):u8 value` | the key's bytes; for a unique index |
//! | `view/{view}` | what readers see: `{"format":1,"projection":"..","generation":2,"table":3,"form":".."}` |
//! | `table/{projection}/{generation}/{view}` | a table and the form of its rows: `{"format":1,"table":3,"form":".."}` |
//! | `tables` | the last number of a table; numbers are not reused: `{"format":1,"last":3}` |
//!
//! `form` is [`ViewDefinition::form`](super::ViewDefinition). A change of this layout is another `format`.

use super::ViewError;
use crate::event::codec::{JsonError, from_json};
use crate::limits::ENTRY_KEY_BYTES;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// The bytes before the key of a row or the value of an index.
pub(super) const PREFIX_BYTES: usize = 6;

/// The longest key of a row, and the longest value of an index together with it, in bytes.
pub const KEY_BYTES: usize = ENTRY_KEY_BYTES - PREFIX_BYTES;

/// The format of notes that this release writes.
pub(super) const FORMAT: u32 = 1;

/// The most indexes of a view.
pub(super) const INDEXES: usize = 254;

/// The note of the last number of a table.
pub(super) const COUNTER: &str = "tables";

/// Begins the entry of a row (`None`) or of an index.
pub(super) fn begin(entry: &mut Vec<u8>, table: u32, index: Option<usize>) {
    let kind = index.map_or(0, |index| u8::try_from(index + 1).unwrap_or(u8::MAX));
    begin_table(entry, table);
    entry.push(kind);
}

/// Begins all entries of a table.
pub(super) fn begin_table(entry: &mut Vec<u8>, table: u32) {
    entry.clear();
    entry.push(0xFF);
    entry.extend_from_slice(&table.to_be_bytes());
}

pub(super) fn row(entry: &mut Vec<u8>, table: u32, key: &[u8]) {
    begin(entry, table, None);
    entry.extend_from_slice(key);
}

/// Writes an entry of an index: a value, followed by the key of the row if other rows may have the value too.
pub(super) fn index(entry: &mut Vec<u8>, table: u32, index: usize, value: &[u8], key: &[u8]) {
    begin(entry, table, Some(index));
    entry.extend_from_slice(value);
    entry.extend_from_slice(key);
}

/// How the keys of the notes of views begin.
pub(super) const VIEW: &str = "view/";

pub(super) fn view_note(view: &str) -> String {
    format!("{VIEW}{view}")
}

pub(super) fn table_note(projection: &str, generation: u32, view: &str) -> String {
    format!("table/{projection}/{generation}/{view}")
}

/// The value of `view/{view}`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ViewNote {
    pub(super) format: u32,
    pub(super) projection: String,
    pub(super) generation: u32,
    pub(super) table: u32,
    pub(super) form: String,
}

/// The value of `table/{projection}/{generation}/{view}`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TableNote {
    pub(super) format: u32,
    pub(super) table: u32,
    pub(super) form: String,
}

/// The value of `tables`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CounterNote {
    pub(super) format: u32,
    pub(super) last: u32,
}

pub(super) fn parse<N: DeserializeOwned>(key: &str, note: &[u8]) -> Result<N, ViewError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let damaged = |error: JsonError| ViewError::DamagedNote {
        note: key.to_owned(),
        reason: error.to_string(),
    };
    let read = from_json(note, PhantomData::<Format>);
    let Format { format: found } = read.map_err(damaged)?;
    if found != FORMAT {
        return Err(ViewError::NewerFormat {
            note: key.to_owned(),
            found,
        });
    }
    from_json(note, PhantomData).map_err(damaged)
}

pub(super) fn write<N: Serialize>(key: &str, note: &N) -> Result<String, ViewError> {
    serde_json::to_string(note).map_err(|error| ViewError::DamagedNote {
        note: key.to_owned(),
        reason: error.to_string(),
    })
}
