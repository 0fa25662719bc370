//! What a type shows of itself is compared where that says something, and where it does not, no event is refused.

use crate::kit::{event, refused, stored};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Shows where it is, as some types do.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Located(Box<u8>);

impl fmt::Debug for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Located({:p})", self.0)
    }
}

/// Shows where something is that its clones share.
#[derive(Clone)]
pub(crate) struct Shared(Arc<u8>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({:p})", Arc::as_ptr(&self.0))
    }
}

impl Serialize for Shared {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self.0)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(|value| Shared(Arc::new(value)))
    }
}

/// Shows how often it was shown.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Counted(u8);

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static SHOWN: AtomicU64 = AtomicU64::new(0);
        write!(f, "Counted({})", SHOWN.fetch_add(1, Ordering::Relaxed))
    }
}

/// Cannot be shown at all.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Hidden(u8);

impl fmt::Debug for Hidden {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

event!(LocatedStored(Located), "located");
event!(SharedStored(Shared), "shared");
event!(CountedStored(Counted), "counted");
event!(HiddenStored(Hidden), "hidden");

#[test]
fn what_is_shown_differently_each_time_is_not_compared() {
    stored(&[LocatedStored {
        value: Located(Box::new(7)),
    }]);
    stored(&[SharedStored {
        value: Shared(Arc::new(7)),
    }]);
    stored(&[CountedStored { value: Counted(7) }]);
    stored(&[HiddenStored { value: Hidden(7) }]);
}

/// A secret that does not show itself.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Secret(#[serde(deserialize_with = "without_last")] String);

fn without_last<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let mut secret = String::deserialize(deserializer)?;
    secret.pop();
    Ok(secret)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

event!(SecretStored(Secret), "secret");

#[test]
fn what_is_not_shown_is_compared_as_it_is_written() {
    refused(&SecretStored {
        value: Secret("abc".to_owned()),
    });
    stored(&[SecretStored {
        value: Secret(String::new()),
    }]);
}

/// Keeps something that is no part of its value, and does not show it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Caching {
    value: u8,
    #[serde(skip)]
    cache: OnceLock<u8>,
}

impl fmt::Debug for Caching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caching")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

event!(CachingStored(Caching), "caching");

#[test]
fn what_is_neither_written_nor_shown_is_no_part_of_the_value() {
    let value = Caching {
        value: 1,
        cache: OnceLock::from(2),
    };
    let loaded = stored(&[CachingStored { value }]).remove(0).value;
    assert_eq!((loaded.value, loaded.cache.get()), (1, None));
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ordered {
    /// Written in the order of its keys, and shown in any.
    #[serde(serialize_with = "by_key")]
    map: HashMap<u32, String>,
    heap: BinaryHeap<u32>,
    raw: Box<RawValue>,
}

fn by_key<S: serde::Serializer>(
    map: &HashMap<u32, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    map.iter().collect::<BTreeMap<_, _>>().serialize(serializer)
}

event!(OrderedStored(Ordered), "ordered");

#[test]
fn orders_that_mean_nothing_are_not_compared() {
    let raw = r#"{"b": [1, 2],  "a": 1.50}"#;
    let value = Ordered {
        map: (0..20)
            .map(|number| (number, format!("number {number}")))
            .collect(),
        heap: [3, 9, 1, 7, 5].into(),
        raw: RawValue::from_string(raw.to_owned()).unwrap(),
    };
    let loaded = stored(&[OrderedStored {
        value: value.clone(),
    }])
    .remove(0)
    .value;
    assert_eq!((loaded.map, loaded.raw.get()), (value.map, raw));
    assert_eq!(loaded.heap.into_sorted_vec(), [1, 3, 5, 7, 9]);
}
