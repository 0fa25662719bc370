//! Values that would be lost or changed are refused, with a sentence that says which.

use crate::kit::{event, refused, stored};
use midgard::event::{EncodeReason, NewEvent};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

event!(Measured(f64), "measured");
event!(MeasuredSmall(f32), "measured.small");
event!(MeasuredMaybe(Option<f64>), "measured.maybe");
event!(MeasuredMany(HashMap<u32, Vec<f64>>), "measured.many");

#[test]
fn a_float_that_is_not_finite_is_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = refused(&Measured { value });
        assert!(matches!(error.reason, EncodeReason::Unreadable { .. }));
        assert_eq!(
            error.to_string(),
            "event \"measured\" version 1 cannot be written as json: its payload cannot be \
             read back (invalid type: null, expected f64, at `value`); give it values that JSON has, such as \
             floats that are finite, and let its `Deserialize` read all that its `Serialize` writes, such as with \
             `#[serde(default)]` where a field is left out"
        );
    }
    refused(&MeasuredSmall { value: f32::NAN });
    refused(&MeasuredMany {
        value: [(1, vec![0.5, f64::NAN])].into(),
    });
}

#[test]
fn a_value_that_comes_back_as_another_is_refused() {
    let error = refused(&MeasuredMaybe {
        value: Some(f64::NAN),
    });
    let EncodeReason::Changed { before, after } = &error.reason else {
        panic!("{error}");
    };
    assert_eq!(before, "`MeasuredMaybe { value: Some(NaN) }`");
    assert_eq!(after, "`MeasuredMaybe { value: None }`");
    assert_eq!(
        error.to_string(),
        "event \"measured.maybe\" version 1 cannot be written as json: it would come back changed: see `before` and \
         `after` of this `EncodeReason::Changed`; let its `Deserialize` return the same value from \
         what its `Serialize` writes, and give it no values that cannot be written so"
    );
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Flat<T> {
    before: u8,
    #[serde(flatten)]
    inner: Wide<T>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Wide<T> {
    wide: T,
}

event!(WideFlat(Flat<u128>), "wide.flat");
event!(SignedFlat(Flat<i128>), "wide.flat.signed");

/// Serde has no place for such a number where it keeps it before it knows its type.
#[test]
fn a_wide_number_in_a_flattened_struct_is_refused() {
    let flat = |wide| Flat {
        before: 1,
        inner: Wide { wide },
    };
    for wide in [0, 1, u128::from(u64::MAX) + 1, u128::MAX] {
        let error = refused(&WideFlat { value: flat(wide) });
        assert!(
            matches!(error.reason, EncodeReason::Unreadable { .. }),
            "{error}"
        );
    }
    let flat = |wide| Flat {
        before: 1,
        inner: Wide { wide },
    };
    for wide in [i128::MIN, i128::MAX] {
        refused(&SignedFlat { value: flat(wide) });
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    list: Vec<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maybe: Option<u8>,
}

event!(FieldLeftOut(LeftOut), "left_out");

#[test]
fn a_field_that_is_left_out_and_has_no_default_is_refused() {
    let error = refused(&FieldLeftOut {
        value: LeftOut {
            list: vec![],
            maybe: Some(1),
        },
    });
    assert!(
        error
            .to_string()
            .contains("cannot be read back (missing field `list`, at `value`)"),
        "{error}"
    );
    // An `Option` has its default from serde.
    stored(&[FieldLeftOut {
        value: LeftOut {
            list: vec![1],
            maybe: None,
        },
    }]);
}

event!(Nested(Option<Option<u8>>), "nested");
event!(NestedUnit(Vec<Option<()>>), "nested.unit");
event!(NestedAny(Option<Value>), "nested.any");

#[test]
fn something_that_is_written_as_nothing_is_refused() {
    refused(&Nested { value: Some(None) });
    refused(&NestedUnit {
        value: vec![None, Some(())],
    });
    refused(&NestedAny {
        value: Some(Value::Null),
    });
    stored(&[
        Nested {
            value: Some(Some(1)),
        },
        Nested { value: None },
    ]);
    stored(&[NestedAny {
        value: Some(Value::Bool(true)),
    }]);
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Degrees {
    Celsius(f64),
    Fahrenheit(f64),
    Rounded(u8),
    Named { degrees: Option<f64> },
    Other { kelvin: f64 },
}

event!(Untagged(Degrees), "untagged");

#[test]
fn a_variant_that_comes_back_as_an_earlier_one_is_refused() {
    for value in [
        Degrees::Fahrenheit(5.5),
        Degrees::Rounded(5),
        Degrees::Other { kelvin: 5.5 },
    ] {
        refused(&Untagged { value });
    }
    for value in [Degrees::Celsius(5.5), Degrees::Named { degrees: Some(5.5) }] {
        stored(&[Untagged { value }]);
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Skipping {
    #[serde(skip)]
    skipped: u8,
    #[serde(skip_serializing, default)]
    written_never: u8,
}

event!(Skipped(Skipping), "skipped");

#[test]
fn a_field_that_is_not_written_must_be_as_its_default() {
    refused(&Skipped {
        value: Skipping {
            skipped: 1,
            written_never: 0,
        },
    });
    refused(&Skipped {
        value: Skipping {
            skipped: 0,
            written_never: 1,
        },
    });
    stored(&[Skipped {
        value: Skipping {
            skipped: 0,
            written_never: 0,
        },
    }]);
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Converting {
    #[serde(serialize_with = "in_whole_units")]
    cents: u64,
    #[serde(deserialize_with = "in_lowercase")]
    city: String,
    #[serde(rename(serialize = "from", deserialize = "to"))]
    from: u8,
    #[serde(rename(serialize = "to", deserialize = "from"))]
    to: u8,
}

fn in_whole_units<S: Serializer>(cents: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(cents / 100 * 100)
}

fn in_lowercase<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|city| city.to_lowercase())
}

event!(Converted(Converting), "converted");

#[test]
fn a_conversion_that_loses_something_is_refused() {
    let sound = Converting {
        cents: 500,
        city: "oslo".to_owned(),
        from: 1,
        to: 1,
    };
    stored(&[Converted {
        value: sound.clone(),
    }]);
    refused(&Converted {
        value: Converting {
            cents: 501,
            ..sound.clone()
        },
    });
    refused(&Converted {
        value: Converting {
            city: "Oslo".to_owned(),
            ..sound
        },
    });
    refused(&Converted {
        value: Converting { to: 2, ..sound },
    });
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Twice {
    name: String,
    #[serde(flatten)]
    more: BTreeMap<String, String>,
}

event!(NameTwice(Twice), "twice");

#[test]
fn a_name_that_is_written_twice_is_refused() {
    let twice = |name: &str| Twice {
        name: "ann".to_owned(),
        more: [(name.to_owned(), "bob".to_owned())].into(),
    };
    refused(&NameTwice {
        value: twice("name"),
    });
    stored(&[NameTwice {
        value: twice("other"),
    }]);
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tree(Vec<Tree>);

event!(Deep(Tree), "deep");

/// `serde_json` reads no deeper than 128 levels, and writes as deep as one likes.
#[test]
fn what_is_too_deep_to_be_read_is_refused() {
    let deep = |levels| Deep {
        value: (0..levels).fold(Tree::default(), |tree, _| Tree(vec![tree])),
    };
    let error = refused(&deep(127));
    assert!(
        error.to_string().contains("recursion limit exceeded"),
        "{error}"
    );
    stored(&[deep(120)]);
}

event!(Keyed(BTreeMap<(u8, u8), u8>), "keyed");
event!(Any(Value), "any");

#[test]
fn what_json_has_no_form_for_is_refused() {
    let error = refused(&Keyed {
        value: [((1, 2), 3)].into(),
    });
    assert!(matches!(error.reason, EncodeReason::Payload(_)));
    assert_eq!(
        error.to_string(),
        "event \"keyed\" version 1 cannot be written as json: key must be a string; fix its `Serialize`"
    );
    // `serde_json` takes such a map for a text that is JSON already.
    refused(&Any {
        value: serde_json::json!({"$serde_json::private::RawValue": "1"}),
    });
}

/// The hint for events that have changed since does not apply here.
#[test]
fn nobody_is_told_to_add_a_version() {
    let errors = [
        refused(&Measured { value: f64::NAN }),
        refused(&Nested { value: Some(None) }),
    ];
    for error in errors {
        let error = error.to_string();
        assert!(
            !error.contains("upcast") && !error.contains("new `version`"),
            "{error}"
        );
    }
}

#[test]
fn long_payloads_are_shown_in_part() {
    let mut value: HashMap<u32, Vec<f64>> = HashMap::new();
    value.insert(1, vec![0.25; 1000]);
    value.get_mut(&1).unwrap().push(f64::NAN);
    let error = refused(&MeasuredMany { value });
    assert!(error.to_string().len() < 700, "{error}");
}

#[test]
fn it_can_be_left_out() {
    let written = NewEvent::encode_without_read_back(&Measured { value: f64::NAN }).unwrap();
    assert_eq!(written.payload, br#"{"value":null}"#);
}
