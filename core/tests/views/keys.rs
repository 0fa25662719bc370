//! The bytes of keys sort as Rust's `Ord` sorts the values, and tell them apart.

use super::kit::{Customer, Status, Tables, customer};
use super::many::MANY;
use crate::random::Random;
use midgard::view::KeyBytes;
use midgard::{Position, Timestamp, ViewKey};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ViewKey)]
struct Name(String);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ViewKey)]
struct Person {
    last: Option<Name>,
    first: String,
    age: i8,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, ViewKey)]
struct Pair(Status, Vec<u8>);

/// As with the derive of `Ord`, the numbers of variants count where they have some.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ViewKey)]
enum Level {
    Low = -5,
    Middle,
    High = 1_000_000,
}

/// Every pair of values, and each with a byte of every kind after it, as the key of a row comes after
/// the value of an index.
fn agrees<K: ViewKey + Ord + Debug>(values: &[K]) {
    for one in values {
        for other in values {
            let bytes = [one, other].map(|value| KeyBytes::of(value));
            assert_eq!(
                bytes[0].cmp(&bytes[1]),
                one.cmp(other),
                "{one:?} and {other:?}"
            );
            assert!(
                one == other || !bytes[1].as_bytes().starts_with(bytes[0].as_bytes()),
                "{other:?} begins with {one:?}"
            );
        }
    }
}

fn texts() -> Vec<String> {
    let letters = [
        "",
        "\0",
        "\u{1}",
        "\u{2}",
        "a",
        "b",
        "\u{7f}",
        "é",
        "\u{ffff}",
        "\u{10ffff}",
    ];
    let mut texts = Vec::new();
    for one in letters {
        for two in letters {
            for three in ["", "\0", "\u{1}", "a"] {
                texts.push(format!("{one}{two}{three}"));
            }
        }
    }
    texts
}

fn bytes() -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for one in [0, 1, 2, 3, 127, 254, 255] {
        all.push(vec![one]);
        for two in [0, 1, 2, 255] {
            all.push(vec![one, two]);
            all.push(vec![one, two, 0]);
            all.push(vec![one, two, 255]);
        }
    }
    all
}

#[test]
fn texts_and_bytes() {
    agrees(&texts());
    agrees(&bytes());
    agrees(&texts().into_iter().map(Name).collect::<Vec<_>>());
}

#[test]
fn numbers_and_what_is_written_as_one() {
    let random = &mut Random(1);
    let mut wide: Vec<_> = (0..100).map(|_| random.next()).collect();
    wide.extend([0, 1, 255, 256, u64::MAX - 1, u64::MAX]);
    agrees(&wide);
    agrees(&wide.iter().map(|n| *n as i64).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| *n as u32).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| *n as i32).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| *n as u16).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| *n as i16).collect::<Vec<_>>());
    agrees(&(0..=u8::MAX).collect::<Vec<_>>());
    agrees(&(i8::MIN..=i8::MAX).collect::<Vec<_>>());
    let doubled = |n: &u64| u128::from(*n) << 64 | u128::from(n.rotate_left(7));
    agrees(&wide.iter().map(doubled).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| doubled(n) as i128).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| Position(*n)).collect::<Vec<_>>());
    agrees(&wide.iter().map(|n| n.to_le_bytes()).collect::<Vec<_>>());
    let micros = wide.iter().map(|n| Timestamp::from_micros(n % (1 << 50)));
    agrees(&micros.collect::<Vec<_>>());
    agrees(&[false, true]);
    agrees(&['\0', 'a', 'ÿ', '\u{d7ff}', '\u{e000}', char::MAX]);
}

#[test]
fn options_and_tuples_and_what_is_derived() {
    agrees(&[None, Some(0), Some(1), Some(u8::MAX)]);
    agrees(&[None, Some(None), Some(Some(0)), Some(Some(u64::MAX))]);
    agrees(&[Status::New, Status::Active, Status::Closed]);
    agrees(&[Level::Low, Level::Middle, Level::High]);
    let (texts, random) = (texts(), &mut Random(2));
    let mut tuples = Vec::new();
    let mut people = Vec::new();
    let mut pairs = Vec::new();
    for _ in 0..300 {
        let mut text = || random.pick(&texts).clone();
        let (first, last) = (text(), text());
        let number = random.below(5);
        tuples.push((first.clone(), number, last.clone()));
        people.push(Person {
            last: (number > 1).then_some(Name(last)),
            first,
            age: number as i8 - 2,
        });
        let status = *random.pick(&[Status::New, Status::Active, Status::Closed]);
        pairs.push(Pair(status, random.pick(&bytes()).clone()));
    }
    agrees(&tuples);
    agrees(&people);
    agrees(&pairs);
}

#[test]
fn an_enum_of_more_variants_than_a_byte_can_count() {
    agrees(MANY);
    assert_eq!(KeyBytes::of(&MANY[256]).as_bytes(), [1, 0]);
}

#[test]
fn rows_are_found_by_the_whole_value_and_no_other() {
    let tables = Tables::of::<Customer>();
    // The keys' bytes come right after the value: 255 is what could be taken for a part of it.
    let ids = [0, 1, 1 << 56, 255 << 56, u32::MAX.into()];
    let mut rows = Vec::new();
    for (number, city) in ["", "\0", "a", "a\0", "a\u{1}", "a\0\u{ff}", "ab"]
        .iter()
        .enumerate()
    {
        for (i, id) in ids.iter().enumerate() {
            let id = id + number as u64 * 16;
            rows.push(Customer {
                id,
                number: (number * 10 + i) as u32,
                ..customer(0, "Norway", city)
            });
        }
    }
    tables.put(rows.clone()).unwrap();
    for city in ["", "\0", "a", "a\0", "a\u{1}", "a\0\u{ff}", "ab"] {
        let mut wanted: Vec<_> = rows.iter().filter(|row| row.city == city).collect();
        wanted.sort_by_key(|row| row.id);
        let found = tables.views.select(Customer::by_city(city)).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{city:?}");
    }
}
