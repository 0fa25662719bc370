//! What becomes of a stored event when its struct is changed without a new version: the table in the docs of `Event`,
//! line by line. What is stored is the payload of one struct, under the name of the other: no two of a program may share a name.

use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{Event, EventSet, MemoryStore, Store, StreamName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::ControlFlow;

/// Stores an event, and reads it as another type: what it is, or what is said of it.
fn read<New: EventSet + Debug>(old: &impl EventSet) -> Result<New, String> {
    read_payload::<New>(NewEvent::encode(old).unwrap().payload)
}

fn read_payload<New: EventSet + Debug>(payload: impl Into<Vec<u8>>) -> Result<New, String> {
    let (store, stream) = (MemoryStore::new(), StreamName::new("a").unwrap());
    let descriptor = New::DESCRIPTORS[0];
    let event = NewEvent::json(descriptor.name, descriptor.version, payload.into());
    let append = Append::to(stream, ExpectedVersion::NoStream, [event]);
    midgard::block_on(store.append(append)).unwrap();
    let mut read = None;
    let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
        read = Some(event.decode::<New>().map_err(|error| error.to_string()));
        ControlFlow::Continue(())
    };
    midgard::block_on(store.read_log(&ReadLog::forward(), visit)).unwrap();
    read.unwrap()
}

fn is_noticed<New: EventSet + Debug>(old: &impl EventSet, said: &str) {
    let error = read::<New>(old).unwrap_err();
    assert!(error.contains(said), "{error}");
}

#[allow(clippy::needless_pass_by_value)]
fn becomes<New: EventSet + Debug + PartialEq>(old: &impl EventSet, new: New) {
    assert_eq!(read::<New>(old).unwrap(), new);
}

/// An event of the given name and its struct, in a module of its own.
macro_rules! events {
    ($($module:ident $name:literal { $($item:tt)* })*) => {$(
        mod $module {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
            #[event(name = $name)]
            $($item)*
        }
    )*};
}

type Maybe = Option<String>;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Nested {
    from: Option<u8>,
    to: Option<u8>,
}

events! {
    text "thing.text" { pub(crate) struct Thing { pub(crate) name: String } }
    option "thing.option" { pub(crate) struct Thing { pub(crate) name: Option<String> } }
    alias_of_option "thing.alias_of_option" { pub(crate) struct Thing { pub(crate) name: Maybe } }
    renamed "thing.renamed" { pub(crate) struct Thing { pub(crate) called: Option<String> } }
    renamed_text "thing.renamed_text" { pub(crate) struct Thing { pub(crate) called: String } }
    renamed_alias "thing.renamed_alias" { pub(crate) struct Thing { pub(crate) called: Maybe } }
    with_alias "thing.with_alias" { pub(crate) struct Thing { #[serde(alias = "name")] pub(crate) called: Option<String> } }
    two_with_alias "thing.two_with_alias" {
        pub(crate) struct Thing {
            #[serde(alias = "name", alias = "title")]
            pub(crate) called: Option<String>,
            pub(crate) age: Option<u8>,
        }
    }
    with_rename "thing.with_rename" { pub(crate) struct Thing { #[serde(rename = "name")] pub(crate) called: Option<String> } }
    renamed_for_reading "thing.renamed_for_reading" { pub(crate) struct Thing { #[serde(rename(serialize = "called", deserialize = "name"))] pub(crate) called: Option<String> } }
    renamed_with_default "thing.renamed_with_default" { pub(crate) struct Thing { #[serde(default)] pub(crate) called: Option<String> } }
    default_struct "thing.default_struct" {
        #[derive(Default)]
        #[serde(default)]
        pub(crate) struct Thing { pub(crate) called: Option<String> }
    }
    left_out "thing.left_out" { pub(crate) struct Thing { #[serde(skip_serializing_if = "Option::is_none")] pub(crate) name: Option<String> } }
    read_only "thing.read_only" { pub(crate) struct Thing { pub(crate) id: u8, #[serde(default, skip_serializing)] pub(crate) name: Option<String> } }
    camel "thing.camel" { #[serde(rename_all = "camelCase")] pub(crate) struct Thing { pub(crate) first_name: Option<String>, pub(crate) r#type: Option<u8> } }
    kebab "thing.kebab" { #[serde(rename_all = "kebab-case")] pub(crate) struct Thing { pub(crate) first_name: Option<String>, pub(crate) r#type: Option<u8> } }
    pascal "thing.pascal" { #[serde(rename_all = "PascalCase")] pub(crate) struct Thing { pub(crate) first_name: Option<String>, pub(crate) r#type: Option<u8> } }
    screaming "thing.screaming" { #[serde(rename_all = "SCREAMING_SNAKE_CASE")] pub(crate) struct Thing { pub(crate) first_name: Option<String>, pub(crate) r#type: Option<u8> } }
    snake "thing.snake" { #[serde(rename_all(serialize = "snake_case"))] pub(crate) struct Thing { pub(crate) first_name: Option<String>, pub(crate) r#type: Option<u8> } }
    more "thing.more" { pub(crate) struct Thing { pub(crate) name: Option<String>, pub(crate) age: Option<u8> } }
    one_more "thing.one_more" { pub(crate) struct Thing { pub(crate) name: Option<String>, pub(crate) age: u8 } }
    empty "thing.empty" { pub(crate) struct Thing {} }
    unit "thing.unit" { pub(crate) struct Thing; }
    unnamed "thing.unnamed" { pub(crate) struct Thing(pub(crate) String, pub(crate) u8); }
    unnamed_more "thing.unnamed_more" { pub(crate) struct Thing(pub(crate) String, pub(crate) u8, pub(crate) bool); }
    unnamed_swapped "thing.unnamed_swapped" { pub(crate) struct Thing(pub(crate) u8, pub(crate) String); }
    named "thing.named" { pub(crate) struct Thing { pub(crate) name: String, pub(crate) age: u8 } }
    converted "thing.converted" {
        #[serde(from = "(String, u8)", into = "(String, u8)")]
        pub(crate) struct Thing { pub(crate) name: String, pub(crate) age: u8 }
    }
    newtype "thing.newtype" { pub(crate) struct Thing(pub(crate) String); }
    transparent "thing.transparent" { #[serde(transparent)] pub(crate) struct Thing { pub(crate) name: Option<String> } }
    number "thing.number" { pub(crate) struct Thing { pub(crate) name: u64 } }
    small "thing.small" { pub(crate) struct Thing { pub(crate) name: u8 } }
    float "thing.float" { pub(crate) struct Thing { pub(crate) name: f64 } }
    small_float "thing.small_float" { pub(crate) struct Thing { pub(crate) name: f32 } }
    list "thing.list" { pub(crate) struct Thing { pub(crate) name: Vec<u8> } }
    set "thing.set" { pub(crate) struct Thing { pub(crate) name: BTreeSet<u8> } }
    pair "thing.pair" { pub(crate) struct Thing { pub(crate) name: (u8, u8) } }
    map "thing.map" { pub(crate) struct Thing { pub(crate) name: BTreeMap<String, u8> } }
    nested "thing.nested" { pub(crate) struct Thing { pub(crate) name: Nested } }
    flat "thing.flat" { pub(crate) struct Thing { pub(crate) id: Option<u8>, #[serde(flatten)] pub(crate) rest: HashMap<String, String> } }
    flat_renamed "thing.flat_renamed" { pub(crate) struct Thing { pub(crate) number: Option<u8>, #[serde(flatten)] pub(crate) rest: HashMap<String, String> } }
    strict "thing.strict" { #[serde(deny_unknown_fields)] pub(crate) struct Thing { pub(crate) called: Option<String>, pub(crate) of: PhantomData<u8> } }
}

impl From<(String, u8)> for converted::Thing {
    fn from((name, age): (String, u8)) -> Self {
        converted::Thing { name, age }
    }
}

impl From<converted::Thing> for (String, u8) {
    fn from(thing: converted::Thing) -> Self {
        (thing.name, thing.age)
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn an_option_that_is_not_there_is_noticed() {
    let stored = option::Thing { name: some("jun") };
    let said = "missing field `called`: if it is new, write `#[serde(default)]` above it; if it had another name, \
                `#[serde(alias = \"..\")]`; or give the event a new version";
    is_noticed::<renamed::Thing>(&stored, said);
    is_noticed::<renamed_alias::Thing>(&stored, said);
    is_noticed::<renamed::Thing>(&empty::Thing {}, said);
    is_noticed::<more::Thing>(&stored, "missing field `age`");
    is_noticed::<more::Thing>(&flat_stored(), "missing field `name`");
    // Also among versions, and as one of a set.
    is_noticed::<Set>(&stored, "missing field `called`");
    is_noticed::<upcast::Thing>(&upcast::Old { called: None }, "missing field `name`");
}

fn flat_stored() -> flat::Thing {
    let rest = [("city".to_owned(), "Rome".to_owned())].into();
    flat::Thing { id: Some(1), rest }
}

#[derive(Debug, Clone, EventSet)]
enum Set {
    Renamed(renamed::Thing),
}

/// A version before, which is read by its own fields.
mod upcast {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "thing.upcast", version = 2, upcast_from = V1)]
    pub(crate) struct Thing {
        name: Option<String>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "thing.upcast")]
    pub(crate) struct V1 {
        called: Option<String>,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "thing.upcast.old")]
    pub(crate) struct Old {
        pub(crate) called: Option<String>,
    }

    impl From<V1> for Thing {
        fn from(old: V1) -> Self {
            Thing { name: old.called }
        }
    }
}

#[test]
fn an_option_that_is_there_is_read_under_each_of_its_names() {
    let stored = option::Thing { name: some("jun") };
    for name in [some("jun"), None] {
        let stored = option::Thing { name: name.clone() };
        becomes(&stored, alias_of_option::Thing { name: name.clone() });
        becomes(
            &stored,
            with_alias::Thing {
                called: name.clone(),
            },
        );
        becomes(
            &stored,
            with_rename::Thing {
                called: name.clone(),
            },
        );
        becomes(
            &stored,
            renamed_for_reading::Thing {
                called: name.clone(),
            },
        );
        becomes(
            &with_alias::Thing {
                called: name.clone(),
            },
            with_alias::Thing { called: name },
        );
    }
    for name in ["called", "name", "title"] {
        let payload = format!(r#"{{"age":null,"{name}":"jun"}}"#);
        let called = some("jun");
        let read = read_payload::<two_with_alias::Thing>(payload).unwrap();
        assert_eq!(read, two_with_alias::Thing { called, age: None });
    }
    is_noticed::<two_with_alias::Thing>(&stored, "missing field `age`");
    // The program says that it may be missing.
    becomes(&stored, renamed_with_default::Thing { called: None });
    becomes(&stored, default_struct::Thing { called: None });
    becomes(
        &left_out::Thing { name: None },
        left_out::Thing { name: None },
    );
    becomes(&empty::Thing {}, left_out::Thing { name: None });
    let stored = one_more::Thing {
        name: some("jun"),
        age: 7,
    };
    assert!(read::<read_only::Thing>(&stored).is_err());
    let read = read_payload::<read_only::Thing>(r#"{"id":1,"name":"jun"}"#).unwrap();
    assert_eq!(
        read,
        read_only::Thing {
            id: 1,
            name: some("jun")
        }
    );
}

#[test]
fn names_that_serde_makes_are_known() {
    macro_rules! comes_back {
        ($($module:ident)*) => {$(
            for first_name in [some("jun"), None] {
                let thing = $module::Thing { first_name, r#type: Some(1) };
                becomes(&thing, thing.clone());
            }
            is_noticed::<$module::Thing>(&empty::Thing {}, "missing field `");
        )*};
    }
    comes_back!(camel kebab pascal screaming snake);
    let stored = camel::Thing {
        first_name: some("jun"),
        r#type: None,
    };
    is_noticed::<kebab::Thing>(&stored, "missing field `first-name`");
    is_noticed::<pascal::Thing>(&stored, "missing field `FirstName`");
    is_noticed::<screaming::Thing>(&stored, "missing field `FIRST_NAME`");
    is_noticed::<snake::Thing>(&stored, "missing field `first_name`");
}

#[test]
fn other_fields_that_are_missing_or_of_another_type_are_noticed() {
    let stored = text::Thing {
        name: "jun".to_owned(),
    };
    is_noticed::<renamed_text::Thing>(&stored, "missing field `called`");
    is_noticed::<one_more::Thing>(&stored, "missing field `age`");
    is_noticed::<number::Thing>(&stored, "invalid type");
    is_noticed::<list::Thing>(&stored, "invalid type");
    is_noticed::<text::Thing>(&option::Thing { name: None }, "invalid type: null");
    is_noticed::<small::Thing>(&number::Thing { name: 256 }, "invalid value");
    is_noticed::<number::Thing>(&float::Thing { name: 1.0 }, "invalid type");
    is_noticed::<pair::Thing>(&list::Thing { name: vec![1] }, "invalid length");
    is_noticed::<pair::Thing>(
        &list::Thing {
            name: vec![1, 2, 3],
        },
        "trailing characters",
    );
    is_noticed::<list::Thing>(
        &nested::Thing {
            name: Nested::default(),
        },
        "invalid type",
    );
    is_noticed::<strict::Thing>(&stored, "unknown field");
}

#[test]
fn another_shape_is_noticed() {
    let named = named::Thing {
        name: "jun".to_owned(),
        age: 7,
    };
    let unnamed = unnamed::Thing("jun".to_owned(), 7);
    is_noticed::<named::Thing>(
        &unnamed,
        "it is a list, and the fields of this event have names",
    );
    is_noticed::<unnamed::Thing>(&named, "invalid type: map");
    is_noticed::<unnamed_more::Thing>(&unnamed, "invalid length");
    is_noticed::<unnamed::Thing>(
        &unnamed_more::Thing("jun".to_owned(), 7, true),
        "trailing characters",
    );
    is_noticed::<unnamed_swapped::Thing>(&unnamed, "invalid type");
    is_noticed::<text::Thing>(&newtype::Thing("jun".to_owned()), "invalid type");
    is_noticed::<newtype::Thing>(
        &text::Thing {
            name: "jun".to_owned(),
        },
        "invalid type",
    );
    is_noticed::<empty::Thing>(&unit::Thing, "invalid type: null");
    is_noticed::<unit::Thing>(&empty::Thing {}, "invalid type: map");
    let error = read_payload::<empty::Thing>("[]").unwrap_err();
    assert!(error.contains("it is a list"), "{error}");
    // Said by the program.
    becomes(
        &unnamed,
        converted::Thing {
            name: "jun".to_owned(),
            age: 7,
        },
    );
    let same = transparent::Thing { name: None };
    becomes(&same, same.clone());
    becomes(
        &newtype::Thing("jun".to_owned()),
        transparent::Thing { name: some("jun") },
    );
}

#[test]
fn fields_beside_a_flattened_one_are_noticed() {
    let stored = flat_stored();
    becomes(&stored, stored.clone());
    is_noticed::<flat_renamed::Thing>(&stored, "invalid type");
    let payload = r#"{"city":"Rome"}"#;
    let error = read_payload::<flat_renamed::Thing>(payload).unwrap_err();
    assert!(error.contains("missing field `number`"), "{error}");
}

#[test]
fn a_number_that_is_too_large_for_a_smaller_float_is_noticed() {
    is_noticed::<small_float::Thing>(&float::Thing { name: 1e300 }, "number out of range");
}

#[test]
fn what_is_not_noticed() {
    // A field that is no more there, or was called otherwise and has a default.
    becomes(
        &named::Thing {
            name: "jun".to_owned(),
            age: 7,
        },
        text::Thing {
            name: "jun".to_owned(),
        },
    );
    becomes(&option::Thing { name: some("jun") }, left_out_renamed());
    // A wider type.
    becomes(&small::Thing { name: 7 }, number::Thing { name: 7 });
    becomes(
        &text::Thing {
            name: "jun".to_owned(),
        },
        option::Thing { name: some("jun") },
    );
    // Numbers that a float has not.
    let large = number::Thing {
        name: (1 << 53) + 1,
    };
    becomes(
        &large,
        float::Thing {
            name: 9_007_199_254_740_992.0,
        },
    );
    becomes(
        &float::Thing {
            name: 0.183_631_079_699_182_46,
        },
        small_float::Thing { name: 0.183_631_08 },
    );
    // A list without what is there twice.
    becomes(
        &list::Thing { name: vec![1, 1] },
        set::Thing { name: [1].into() },
    );
    // Within structs that are no events: a name that is gone, and fields by their places.
    let map = map::Thing {
        name: [("source".to_owned(), 1)].into(),
    };
    becomes(
        &map,
        nested::Thing {
            name: Nested::default(),
        },
    );
    let fields = Nested {
        from: Some(1),
        to: Some(2),
    };
    becomes(
        &pair::Thing { name: (1, 2) },
        nested::Thing { name: fields },
    );
}

fn left_out_renamed() -> renamed_with_default::Thing {
    renamed_with_default::Thing { called: None }
}
