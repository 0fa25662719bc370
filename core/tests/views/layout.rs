//! The entries of views, byte by byte: what is stored must stay readable, so that whatever changes here is a new
//! format. Stores that earlier releases have written are opened by the tests of the stores themselves.

use super::kit::Tables;
use midgard::store::ReadEntries;
use midgard::{Store as _, View, ViewKey, block_on};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

#[derive(Serialize, Deserialize, ViewKey)]
enum Kind {
    Plain,
    Gold,
}

#[derive(Serialize, Deserialize, View)]
#[view(
    key = (shelf, number),
    index(kind, ordered),
    index(code, unique, ordered),
    index(cents, ordered),
    index(place = (shelf, is_new))
)]
struct Item {
    shelf: String,
    number: u16,
    kind: Kind,
    code: Option<String>,
    cents: i32,
    is_new: bool,
}

/// Keys and values of all entries, with bytes that are no letters escaped; quotes stay as they are.
fn entries(tables: &Tables) -> Vec<[String; 2]> {
    let mut entries = Vec::new();
    let read = ReadEntries::prefix(b"");
    let each = &mut |key: &[u8], value: &[u8]| {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace("\\\"", "\"");
        entries.push([key, value].map(text));
        ControlFlow::Continue(())
    };
    block_on(tables.store.read_entries(&read, each)).unwrap();
    entries
}

#[test]
fn entries_of_rows_indexes_and_tables_are_these_bytes() {
    let tables = Tables::of::<Item>();
    let item = |shelf: &str, number, kind, code: Option<&str>, cents| Item {
        shelf: shelf.to_owned(),
        number,
        kind,
        code: code.map(str::to_owned),
        cents,
        is_new: cents < 0,
    };
    tables
        .put([
            item("a\0\u{1}é", 258, Kind::Gold, Some("x"), -2),
            item("b", 7, Kind::Plain, None, 300),
        ])
        .unwrap();
    let wanted = [
        [
            "table/tests/1/item",
            r#"{"format":1,"table":1,"form":"key (text, u16); fields shelf: String, number: u16, kind: Kind, code: Option<String>, cents: i32, is_new: bool; index kind one of Plain|Gold; unique index code optional text; index cents i32; index place (text, bool)"}"#,
        ],
        ["tables", r#"{"format":1,"last":1}"#],
        [
            "view/item",
            r#"{"format":1,"projection":"tests","generation":1,"table":1,"form":"key (text, u16); fields shelf: String, number: u16, kind: Kind, code: Option<String>, cents: i32, is_new: bool; index kind one of Plain|Gold; unique index code optional text; index cents i32; index place (text, bool)"}"#,
        ],
        // The rows: FF, table 1, 00, the key.
        [
            r#"\xff\x00\x00\x00\x01\x00a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
            r#"{"shelf":"a\\u0000\\u0001\xc3\xa9","number":258,"kind":"Gold","code":"x","cents":-2,"is_new":true}"#,
        ],
        [
            r#"\xff\x00\x00\x00\x01\x00b\x00\x00\x07"#,
            r#"{"shelf":"b","number":7,"kind":"Plain","code":null,"cents":300,"is_new":false}"#,
        ],
        // Index `kind`: 01, the variant, the key.
        [
            r#"\xff\x00\x00\x00\x01\x01\x00b\x00\x00\x07"#,
            r#"b\x00\x00\x07"#,
        ],
        [
            r#"\xff\x00\x00\x00\x01\x01\x01a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
            r#"a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
        ],
        // Unique index `code`: 02; a `None` with the key, a value without.
        [
            r#"\xff\x00\x00\x00\x01\x02\x00b\x00\x00\x07"#,
            r#"b\x00\x00\x07"#,
        ],
        [
            r#"\xff\x00\x00\x00\x01\x02\x01x\x00"#,
            r#"a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
        ],
        // Index `cents`: 03, the number with its sign turned over, the key.
        [
            r#"\xff\x00\x00\x00\x01\x03\x7f\xff\xff\xfea\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
            r#"a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
        ],
        [
            r#"\xff\x00\x00\x00\x01\x03\x80\x00\x01,b\x00\x00\x07"#,
            r#"b\x00\x00\x07"#,
        ],
        // Index `place`: 04, text and bool, the key.
        [
            r#"\xff\x00\x00\x00\x01\x04a\x01\x01\x01\x02\xc3\xa9\x00\x01a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
            r#"a\x01\x01\x01\x02\xc3\xa9\x00\x01\x02"#,
        ],
        [
            r#"\xff\x00\x00\x00\x01\x04b\x00\x00b\x00\x00\x07"#,
            r#"b\x00\x00\x07"#,
        ],
    ];
    assert_eq!(entries(&tables), wanted);
}
