//! Values of all kinds, by the thousand, come back as they were.

use crate::kit::{event, stored};
use crate::random::Random;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

const MANY: usize = 1000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plain {
    pub(crate) double: f64,
    pub(crate) single: f32,
    pub(crate) signed: i64,
    pub(crate) unsigned: u64,
    wide: (u128, i128),
    narrow: (u8, i8, u16, i16, u32, i32),
    letter: char,
    pub(crate) text: String,
    bytes: Vec<u8>,
    truth: bool,
    pub(crate) maybe: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<String>,
    unit: (),
    nothing: Nothing,
    new: New,
    array: [f32; 3],
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Nothing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct New(f64);

impl Plain {
    pub(crate) fn new(random: &mut Random) -> Self {
        let bits = random.next();
        Plain {
            double: random.float(),
            single: random.small_float(),
            signed: random.next() as i64,
            unsigned: random.next(),
            wide: (random.wide(), random.wide() as i128),
            narrow: (
                bits as u8,
                bits as i8,
                bits as u16,
                bits as i16,
                bits as u32,
                bits as i32,
            ),
            letter: random.letter(),
            text: random.text(),
            bytes: random.text().into_bytes(),
            truth: bits & 1 == 0,
            maybe: (bits & 2 == 0).then(|| random.float()),
            left_out: (bits & 4 == 0).then(|| random.text()),
            unit: (),
            nothing: Nothing,
            new: New(random.float()),
            array: [random.small_float(), random.small_float(), 0.1],
        }
    }
}

event!(PlainStored(Plain), "plain");

#[test]
fn plain_values_come_back() {
    let mut random = Random(1);
    let mut plain: Vec<_> = (0..MANY).map(|_| Plain::new(&mut random)).collect();
    for (at, double) in [
        0.18363107969918246,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        f64::EPSILON,
        1e23,
        9007199254740993.0,
    ]
    .into_iter()
    .enumerate()
    {
        plain[at].double = double;
    }
    for (at, single) in [f32::MAX, f32::MIN_POSITIVE, 1e-45, 16777217.0, 0.1]
        .into_iter()
        .enumerate()
    {
        plain[at].single = single;
    }
    (plain[0].wide, plain[0].signed, plain[0].unsigned) =
        ((u128::MAX, i128::MIN), i64::MIN, u64::MAX);
    (plain[1].wide, plain[1].signed) = ((0, i128::MAX), i64::MAX);
    let events: Vec<_> = plain
        .into_iter()
        .map(|value| PlainStored { value })
        .collect();
    for (loaded, event) in stored(&events).iter().zip(&events) {
        assert_eq!(loaded.value, event.value);
    }
}

#[test]
fn the_sign_of_zero_comes_back() {
    let mut zero = Plain::new(&mut Random(2));
    (zero.double, zero.single) = (-0.0, -0.0);
    let loaded = stored(&[PlainStored { value: zero }]).remove(0).value;
    assert_eq!(loaded.double.to_bits(), (-0.0_f64).to_bits());
    assert_eq!(loaded.single.to_bits(), (-0.0_f32).to_bits());
}

/// What serde keeps before it knows the types.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    #[serde(flatten)]
    pub(crate) inner: Inner,
    external: External,
    internal: Internal,
    adjacent: Adjacent,
    pub(crate) untagged: Untagged,
    #[serde(flatten)]
    rest: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Inner {
    pub(crate) double: f64,
    pub(crate) single: f32,
    pub(crate) signed: i64,
    pub(crate) unsigned: u64,
    pub(crate) text: String,
    pub(crate) maybe: Option<i8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum External {
    Unit,
    One(f64),
    Two(u64, String),
    Named { double: f64, wide: u128 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is")]
pub(crate) enum Internal {
    Unit,
    One(Inner),
    Named { double: f64, signed: i64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", content = "with")]
pub(crate) enum Adjacent {
    Unit,
    One(f32),
    Two(i64, f64),
    Named { wide: i128 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Untagged {
    Unsigned(u64),
    Signed(i64),
    Double(f64),
    Text(String),
    List(Vec<f64>),
    Named { double: f64 },
    Nothing,
}

impl Kept {
    pub(crate) fn new(random: &mut Random) -> Self {
        Kept {
            inner: Inner::new(random),
            external: match random.below(4) {
                0 => External::Unit,
                1 => External::One(random.float()),
                2 => External::Two(random.next(), random.text()),
                _ => External::Named {
                    double: random.float(),
                    wide: random.wide(),
                },
            },
            internal: match random.below(3) {
                0 => Internal::Unit,
                1 => Internal::One(Inner::new(random)),
                _ => Internal::Named {
                    double: random.float(),
                    signed: random.next() as i64,
                },
            },
            adjacent: match random.below(4) {
                0 => Adjacent::Unit,
                1 => Adjacent::One(random.small_float()),
                2 => Adjacent::Two(random.next() as i64, random.float()),
                _ => Adjacent::Named {
                    wide: random.wide() as i128,
                },
            },
            untagged: match random.below(7) {
                0 => Untagged::Unsigned(random.next()),
                1 => Untagged::Signed(-1 - random.below(1 << 60) as i64),
                2 => Untagged::Double(random.float()),
                3 => Untagged::Text(random.text()),
                4 => Untagged::List(vec![random.float(), random.float()]),
                5 => Untagged::Named {
                    double: random.float(),
                },
                _ => Untagged::Nothing,
            },
            rest: [("more".to_owned(), random.float())].into(),
        }
    }
}

impl Inner {
    pub(crate) fn new(random: &mut Random) -> Self {
        Inner {
            double: random.float(),
            single: random.small_float(),
            signed: random.next() as i64,
            unsigned: random.next(),
            text: random.text(),
            maybe: (random.below(2) == 0).then_some(-7),
        }
    }
}

event!(KeptStored(Kept), "kept");

#[test]
fn what_serde_keeps_before_it_knows_the_types_comes_back() {
    let mut random = Random(3);
    let events: Vec<_> = (0..MANY)
        .map(|_| KeptStored {
            value: Kept::new(&mut random),
        })
        .collect();
    for (loaded, event) in stored(&events).iter().zip(&events) {
        assert_eq!(loaded.value, event.value);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Many {
    by_number: HashMap<i64, f64>,
    by_text: HashMap<String, Vec<HashSet<u32>>>,
    by_letter: BTreeMap<char, bool>,
    set: HashSet<String>,
    any: Value,
}

event!(ManyStored(Many), "many");

/// Their order is another one whenever they are made: that is no fault.
#[test]
fn maps_and_sets_come_back() {
    let mut random = Random(4);
    let mut many = |_| {
        let length = random.below(20);
        Many {
            by_number: (0..length)
                .map(|_| (random.next() as i64, random.float()))
                .collect(),
            by_text: (0..length)
                .map(|_| {
                    let sets = (0..3).map(|_| (0..5).map(|_| random.next() as u32).collect());
                    let sets = sets.collect();
                    (random.text(), sets)
                })
                .collect(),
            by_letter: (0..length).map(|_| (random.letter(), true)).collect(),
            set: (0..length).map(|_| random.text()).collect(),
            any: serde_json::json!({"z": random.next(), "a": [random.float(), null, random.text()]}),
        }
    };
    let events: Vec<_> = (0..300).map(|at| ManyStored { value: many(at) }).collect();
    for (loaded, event) in stored(&events).iter().zip(&events) {
        assert_eq!(loaded.value, event.value);
    }
}
