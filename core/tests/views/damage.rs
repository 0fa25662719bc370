//! What is too long or too large, and what somebody else has written into the entries: errors that name
//! the view and the key, and never a panic.

use super::kit::{Customer, Status, Tables, customer, with_balance, with_email};
use super::many::{MANY, Many};
use crate::random::Random;
use midgard::store::{Direction, EmbeddedStore as _, EntryWrite};
use midgard::view::KEY_BYTES;
use midgard::view::{Cursor, Select, ViewError};
use midgard::{Store as _, View, block_on};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// All entries whose key begins with FF: rows and indexes.
fn entries(tables: &Tables) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let snapshot = tables.store.snapshot().unwrap();
    snapshot
        .scan(
            Bound::Included(&[0xFF]),
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, value| {
                entries.push((key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    entries
}

fn write(tables: &Tables, write: EntryWrite) {
    block_on(tables.store.write_entries(write)).unwrap();
}

/// The key of the entry that has the row of customer 2.
fn entry_of_row_2(tables: &Tables) -> Vec<u8> {
    let is_it = |value: &[u8]| value.starts_with(br#"{"id":2,"#);
    let mut entries = entries(tables).into_iter();
    entries.find(|(_, value)| is_it(value)).unwrap().0
}

/// Three customers, of which the row of the second is not what a view has written.
fn damaged(row: &[u8]) -> Tables {
    let tables = Tables::of::<Customer>();
    tables
        .put([1, 2, 3].map(|id| with_balance(id, id as i64)))
        .unwrap();
    let key = entry_of_row_2(&tables);
    write(&tables, EntryWrite::new().put(&key, row));
    tables
}

fn is_damaged<T>(result: Result<T, ViewError>) -> bool {
    matches!(result, Err(ViewError::Damaged { view: "customer", key, .. }) if key == "2")
}

#[test]
fn a_damaged_row_is_named_and_others_can_be_read() {
    let tables = damaged(br#"{"id":"two"}"#);
    let views = &tables.views;
    let error = views.get::<Customer>(2).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the row 2 of view \"customer\" is damaged: invalid type: string, expected u64, at `id`; \
         rebuild its projection, with `MidgardHandle::rebuild`"
    );
    assert!(is_damaged(views.select(Select::<Customer>::all())));
    assert!(is_damaged(views.select(Customer::by_balance(2))));
    assert!(is_damaged(views.first(Customer::by_balance_range(2..))));
    assert!(is_damaged(views.page(Select::<Customer>::all())));
    assert!(is_damaged(
        views.count(Select::all().filter(|_: &Customer| true))
    ));
    assert!(is_damaged(tables.begin().get::<Customer>(2)));
    assert!(is_damaged(
        tables.begin().select(Customer::ordered_by_balance())
    ));
    assert!(
        is_damaged(tables.put([with_balance(2, 2)])),
        "its old values cannot be known"
    );
    assert!(is_damaged(
        tables.change(|own| own.remove::<Customer>(2).map(drop))
    ));

    assert_eq!(views.get::<Customer>(3).unwrap().unwrap().balance, 3);
    assert_eq!(tables.ids(Customer::by_balance_range(3..)), [3]);
    assert_eq!(views.count(Select::<Customer>::all()).unwrap(), 3);
    for row in [&b""[..], b"null", b"{", b"\xFF\xFE", b"[1,2,3]"] {
        let tables = damaged(row);
        assert!(is_damaged(tables.views.get::<Customer>(2)), "{row:?}");
    }
}

#[test]
fn a_row_that_only_an_index_has_is_named() {
    let tables = Tables::of::<Customer>();
    tables
        .put([1, 2].map(|id| with_balance(id, id as i64)))
        .unwrap();
    let key = entry_of_row_2(&tables);
    write(&tables, EntryWrite::new().remove(&key));
    let error = tables.views.select(Customer::by_balance(2)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the row 2 of view \"customer\" is damaged: it is in the index \"balance\" but not in the table; \
         rebuild its projection, with `MidgardHandle::rebuild`"
    );
    assert_eq!(tables.views.get::<Customer>(2).unwrap(), None);
}

#[test]
fn whatever_the_entries_are_reading_them_never_panics() {
    for seed in 0..40 {
        let random = &mut Random(seed);
        let tables = Tables::of::<Customer>();
        let rows = (0..8).map(|id| Customer {
            balance: id as i64 % 3,
            ..with_email(id, &format!("{id}@x.org"))
        });
        tables.put(rows).unwrap();
        let mut garbage = EntryWrite::new();
        for (key, value) in entries(&tables) {
            let mut noise: Vec<u8> = (0..random.below(12)).map(|_| random.next() as u8).collect();
            match random.below(5) {
                0 => garbage.set(key, Some(noise)),
                1 => garbage.set(key, None),
                2 => {
                    let mut longer = key;
                    longer.append(&mut noise);
                    garbage.set(longer, Some(value));
                }
                3 => garbage.set(key[..6 + random.below(3) as usize].to_vec(), Some(noise)),
                _ => {}
            }
        }
        write(&tables, garbage);
        let views = &tables.views;
        let mut cursors = Vec::<Cursor>::new();
        for select in [
            Select::all,
            Customer::ordered_by_balance,
            Customer::ordered_by_email,
            Customer::ordered_by_place,
            || Customer::by_email("3@x.org"),
        ] {
            let _ = views.select(select().reverse());
            let _ = views.count(select());
            let _ = tables.begin().select(select());
            if let Ok(page) = views.page(select().limit(1)) {
                cursors.extend(page.next);
            }
            let _ = tables.change(|own| {
                own.put(customer(random.below(8), "Norway", "Rome"))?;
                own.update::<Customer>(random.below(8), |row| row.balance = 7)?;
                own.remove::<Customer>(random.below(8)).map(drop)
            });
        }
        for cursor in cursors {
            let cursor: Cursor = cursor.to_string().parse().unwrap();
            let _ = views.select(Customer::ordered_by_balance().after(&cursor));
        }
    }
}

#[test]
fn a_damaged_note_and_one_of_a_newer_format_are_named() {
    let tables = Tables::of::<Customer>();
    let note = |text: &[u8]| {
        write(&tables, EntryWrite::new().put(b"view/customer", text));
        tables.views.get::<Customer>(1).unwrap_err().to_string()
    };
    assert_eq!(
        note(br#"{"format":2,"rows":"elsewhere"}"#),
        "the note \"view/customer\" has format 2; this release reads format 1: \
         use the release that wrote it, or a newer one"
    );
    for wrong in [&b"x"[..], b"", b"\xFF", br#"{"format":1}"#] {
        let error = note(wrong);
        assert!(
            error.starts_with("the note \"view/customer\" is damaged: "),
            "{error}"
        );
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, View)]
#[view(key = name, index(motto), index(seal, unique))]
struct House {
    name: String,
    motto: String,
    seal: String,
}

fn house(name: usize, motto: usize, seal: usize) -> House {
    let letters = |count| "x".repeat(count);
    House {
        name: letters(name),
        motto: letters(motto),
        seal: letters(seal),
    }
}

#[test]
fn keys_and_values_of_indexes_have_a_length() {
    // One byte is the end of each text.
    let longest = KEY_BYTES - 1;
    let tables = Tables::of::<House>();
    tables.put([house(longest, 0, 0)]).unwrap_err();
    tables.put([house(1, longest - 2, longest)]).unwrap();
    tables.put([house(2, longest - 3, longest - 1)]).unwrap();
    let fits = |name| tables.views.get::<House>("x".repeat(name)).unwrap();
    assert_eq!(fits(1), Some(house(1, longest - 2, longest)));

    let refused = |row: House| tables.put([row]).unwrap_err().to_string();
    assert_eq!(
        refused(house(longest + 1, 0, 0)),
        format!(
            "a key of view \"house\" has {} bytes; at most {KEY_BYTES} are allowed; give the row a shorter key",
            KEY_BYTES + 1
        )
    );
    assert_eq!(
        refused(house(3, longest - 3, 0)),
        format!(
            "a value of index \"motto\" of view \"house\" has {} bytes with the key of its row; \
             at most {KEY_BYTES} are allowed; index a shorter value",
            KEY_BYTES + 1
        )
    );
    assert_eq!(
        refused(house(3, 0, longest + 1)),
        format!(
            "a value of index \"seal\" of view \"house\" has {} bytes with the key of its row; \
             at most {KEY_BYTES} are allowed; index a shorter value",
            KEY_BYTES + 1
        )
    );

    // A change in place that makes a value too long cannot be taken back: nothing is committed.
    let mut transaction = tables.begin();
    let changed = transaction.update::<House>("x", |row| row.motto = "x".repeat(KEY_BYTES));
    assert!(matches!(
        changed,
        Err(ViewError::IndexTooLong { index: "motto", .. })
    ));
    assert!(matches!(
        tables.commit(transaction),
        Err(ViewError::Failed { .. })
    ));
    assert_eq!(fits(1), Some(house(1, longest - 2, longest)));

    // What is longer than any can be is not there, and bounds that are longer sort where they belong.
    let too_long = "x".repeat(2 * KEY_BYTES);
    assert_eq!(tables.views.get::<House>(&too_long).unwrap(), None);
    assert_eq!(tables.begin().get::<House>(&too_long).unwrap(), None);
    let count = |select| tables.views.count::<House>(select).unwrap();
    assert_eq!(count(House::by_motto(&too_long)), 0);
    assert_eq!(count(Select::keys(..=&too_long)), 2);
    assert_eq!(count(Select::keys(&too_long..)), 0);
    assert_eq!(count(Select::keys(String::new()..too_long)), 2);
    assert_eq!(count(Select::keys("w".repeat(2 * KEY_BYTES)..)), 2);
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = (id, status))]
struct Document {
    id: Option<(i32, bool)>,
    status: Status,
    text: String,
    notes: BTreeMap<Option<u8>, u8>,
}

#[test]
fn a_row_that_is_too_large_or_no_json_is_named_by_its_key() {
    let tables = Tables::of::<Document>();
    let document = |text: String, notes| Document {
        id: Some((-3, true)),
        status: Status::Active,
        text,
        notes,
    };
    let refused = tables.put([document("x".repeat(16 << 20), BTreeMap::new())]);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the row ((-3, true), Active) of view \"document\" has 16777271 bytes; at most 16777216 are allowed; keep less in one row"
    );
    let notes = BTreeMap::from([(None, 1)]);
    let refused = tables.put([document(String::new(), notes)]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the row ((-3, true), Active) of view \"document\" cannot be written as JSON: key must be a string"
    );
    let count = tables.views.count(Select::<Document>::all()).unwrap();
    assert_eq!(count, 0);
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(
    key = id,
    index(many, unique),
    index(maybe = (choice, many, choice_of), unique),
    index(bytes, unique)
)]
struct Shown {
    id: Option<Many>,
    many: Many,
    choice: Option<(u8, Option<u16>)>,
    choice_of: Option<char>,
    bytes: [u8; 3],
}

#[test]
fn keys_are_printed_as_people_write_them() {
    let row = |id, many: usize, byte| Shown {
        id,
        many: MANY[many],
        choice: None,
        choice_of: Some('ß'),
        bytes: [byte, 0, 255],
    };
    let refused = |one: Shown, other: Shown| {
        let tables = Tables::of::<Shown>();
        let error = tables.put([one, other]).unwrap_err();
        let ViewError::NotUnique {
            value, key, other, ..
        } = error
        else {
            panic!("{error}");
        };
        let mut keys = [key, other];
        keys.sort();
        (value, keys)
    };
    let keys = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
    assert_eq!(
        refused(row(None, 256, 1), row(Some(MANY[255]), 256, 2)),
        ("V256".to_owned(), keys("V255", "none"))
    );
    assert_eq!(
        refused(row(Some(MANY[0]), 7, 1), row(Some(MANY[1]), 8, 1)).0,
        "0100ff"
    );
    let tables = Tables::of::<Shown>();
    tables.put([row(None, 9, 1)]).unwrap();
    let same = Shown {
        many: MANY[9],
        ..row(Some(MANY[2]), 9, 2)
    };
    let error = tables.put([same]).unwrap_err().to_string();
    assert!(
        error.starts_with("the rows none and V2 of view \"shown\" both have V9"),
        "{error}"
    );
}
