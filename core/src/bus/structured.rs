//! A message as one JSON text: the structured mode of CloudEvents.

use super::message::Message;
use super::received::ForeignMessage;
use crate::event::codec::{Codec, from_json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::marker::PhantomData;

impl Message {
    /// Writes its attributes and its payload as one JSON object, in the form of
    /// [CloudEvents](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md):
    /// `{"specversion":"1.0","id":..,"data":..}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let attributes = self.attributes();
        let attributes = attributes.map(|(name, value)| (name, Value::from(&*value)));
        let attributes: Map<String, Value> = attributes
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let mut json = Value::from(attributes).to_string();
        // An object with attributes ends with a brace, before which there is always something.
        json.pop();
        let text = str::from_utf8(&self.payload).ok();
        let text = text.filter(|_| self.codec == Codec::JSON);
        match text.and_then(|text| serde_json::from_str::<&RawValue>(text).ok()) {
            Some(data) => {
                json.push_str(",\"data\":");
                json.push_str(data.get());
            }
            None => {
                json.push_str(",\"data_base64\":\"");
                STANDARD.encode_string(&self.payload, &mut json);
                json.push('"');
            }
        }
        json.push('}');
        json
    }

    /// Reads the output of [`to_json`](Self::to_json), and other CloudEvents in JSON.
    ///
    /// # Errors
    /// [`ForeignMessage`], with the whole text as its payload.
    pub fn from_json(json: &[u8]) -> Result<Self, ForeignMessage> {
        let foreign = |reason| ForeignMessage::new(reason, Vec::new(), json.to_vec());
        let (attributes, payload) = parts(json).map_err(foreign)?;
        let pairs = attributes.iter().map(|(name, value)| (&**name, &**value));
        Message::from_attributes(pairs, payload).map_err(|error| foreign(error.reason))
    }
}

/// Serde writes a message as [`to_json`](Message::to_json) does, byte for byte; so this works only with `serde_json`.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = RawValue::from_string(self.to_json());
        json.map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Message::from_json(json.get().as_bytes()).map_err(D::Error::custom)
    }
}

/// A payload as base64.
pub(super) mod base64_text {
    use super::STANDARD;
    use base64::Engine as _;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::bus) fn serialize<S: Serializer>(
        data: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(data))
    }

    pub(in crate::bus) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

/// Returns the attributes, as strings, and the payload.
fn parts(json: &[u8]) -> Result<(BTreeMap<String, String>, Vec<u8>), String> {
    let fields: BTreeMap<String, &RawValue> =
        from_json(json, PhantomData).map_err(|error| format!("it is no JSON object ({error})"))?;
    let (mut attributes, mut payload) = (BTreeMap::new(), Vec::new());
    for (name, value) in fields {
        let value = value.get();
        match &*name {
            "data" => payload = value.as_bytes().to_vec(),
            "data_base64" if value != "null" => {
                let text: String = from_json(value.as_bytes(), PhantomData)
                    .map_err(|error| format!("its `data_base64` is no text ({error})"))?;
                payload = STANDARD
                    .decode(text)
                    .map_err(|error| format!("its `data_base64` is no base64 ({error})"))?;
            }
            // `null` is the same as leaving it out.
            _ if value == "null" => {}
            _ => {
                // Numbers and booleans are attributes too.
                let text = serde_json::from_str(value).unwrap_or_else(|_| value.to_owned());
                attributes.insert(name, text);
            }
        }
    }
    Ok((attributes, payload))
}
