//! Sets of events as serde writes them by themselves, with name and version. Not public API.
#![allow(missing_docs, missing_debug_implementations)]

use crate::event::{EventSet, UpcastContext};
use core::fmt::{self, Formatter};
use core::marker::PhantomData;
use serde::de::{self, DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserializer, Serialize, Serializer};
use std::borrow::Cow;

struct Payload<'a, S>(&'a S);

impl<S: EventSet> Serialize for Payload<'_, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.0.serialize_payload(serializer)
    }
}

/// Writes the serde form of a set: `{"event": name, "version": n, "data": {..}}`.
pub fn serialize_tagged<S: EventSet, Z: Serializer>(
    event: &S,
    serializer: Z,
) -> Result<Z::Ok, Z::Error> {
    let descriptor = event.descriptor();
    let mut out = serializer.serialize_struct("Event", 3)?;
    out.serialize_field("event", descriptor.name)?;
    out.serialize_field("version", &descriptor.version)?;
    out.serialize_field("data", &Payload(event))?;
    out.end()
}

pub fn deserialize_tagged<'de, S: EventSet, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<S, D::Error> {
    struct Tagged<S>(PhantomData<S>);
    struct Data<'a, S>(&'a str, u32, PhantomData<S>);
    impl<'de, S: EventSet> DeserializeSeed<'de> for Data<'_, S> {
        type Value = S;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S, D::Error> {
            let context = UpcastContext::without_record(self.0, self.1);
            let decoded = S::deserialize_payload(&context, deserializer)?;
            decoded.one().map_err(D::Error::custom)
        }
    }
    impl<'de, S: EventSet> Visitor<'de> for Tagged<S> {
        type Value = S;
        fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
            f.write_str("an event with `event`, `version` and `data`, in this order")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<S, A::Error> {
            let (mut name, mut version) = (None, None);
            while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                match &*key {
                    "event" => name = Some(map.next_value::<Cow<'de, str>>()?),
                    "version" => version = Some(map.next_value::<u32>()?),
                    "data" => {
                        let name = name.ok_or_else(|| de::Error::missing_field("event"))?;
                        let version = version.ok_or_else(|| de::Error::missing_field("version"))?;
                        return map.next_value_seed(Data(&name, version, PhantomData));
                    }
                    other => {
                        return Err(de::Error::unknown_field(
                            other,
                            &["event", "version", "data"],
                        ));
                    }
                }
            }
            Err(de::Error::missing_field("data"))
        }
    }
    deserializer.deserialize_struct("Event", &["event", "version", "data"], Tagged(PhantomData))
}
