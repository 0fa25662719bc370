//! A message as CloudEvents attributes: what buses put into headers, in the binary mode of CloudEvents.

use super::message::{Message, Purpose};
use super::received::ForeignMessage;
use crate::codec::from_json;
use crate::metadata::Headers;
use crate::place::Position;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serializer;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

/// The version of CloudEvents.
const SPECVERSION: &str = "1.0";
/// What payloads are.
const JSON: &str = "application/json";

impl Message {
    /// Its attributes, by their CloudEvents names, without the payload.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let (purpose, destination) = match &self.purpose {
            Purpose::Event => (None, None),
            Purpose::Command { service } => (Some("command"), Some(service)),
            Purpose::Reply { to } => (Some("reply"), Some(to)),
        };
        let text = |text: &'static str| Some(Cow::Borrowed(text));
        [
            ("specversion", text(SPECVERSION)),
            ("id", Some(Cow::Borrowed(&*self.id))),
            ("source", Some(Cow::Borrowed(&*self.source))),
            ("type", Some(Cow::Borrowed(&*self.name))),
            ("datacontenttype", text(JSON)),
            ("time", self.time.map(|time| Cow::Owned(time.to_string()))),
            ("expirytime", shown(self.expires)),
            ("subject", self.subject.as_deref().map(Cow::Borrowed)),
            ("partitionkey", Some(Cow::Borrowed(&*self.key))),
            (
                "schemaversion",
                Some(Cow::Owned(self.schema_version.to_string())),
            ),
            ("purpose", purpose.map(Cow::Borrowed)),
            ("destination", destination.map(|to| Cow::Borrowed(&**to))),
            ("replyto", self.reply_to.as_deref().map(Cow::Borrowed)),
            ("correlationid", shown(self.correlation_id)),
            ("causationid", shown(self.causation_id)),
            ("position", shown(self.position)),
            ("headers", headers_text(&self.headers).map(Cow::Owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The message with these attributes, in any order, and this payload. Attributes that it does not know
    /// are passed over.
    ///
    /// # Errors
    /// [`ForeignMessage`] when an attribute is missing or not as it should be, with all that was given.
    pub fn from_attributes<'a>(
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
        data: Vec<u8>,
    ) -> Result<Self, ForeignMessage> {
        let given: BTreeMap<_, _> = attributes.into_iter().collect();
        match read(&given) {
            Ok(message) => Ok(Message { data, ..message }),
            Err(reason) => {
                let owned = |(name, value): (&&str, &&str)| ((*name).into(), (*value).into());
                let attributes = given.iter().map(owned).collect();
                Err(ForeignMessage::new(reason, attributes, data))
            }
        }
    }
}

/// Reads attributes; gives what is wrong with them.
fn read(given: &BTreeMap<&str, &str>) -> Result<Message, String> {
    let get = |name| given.get(name).copied().filter(|value| !value.is_empty());
    let must = |name| {
        get(name)
            .ok_or_else(|| format!("it has no attribute `{name}`, as CloudEvents 1.0 asks for"))
    };
    let version = must("specversion")?;
    if version != SPECVERSION {
        return Err(format!(
            "it is of CloudEvents {version}, and this program reads {SPECVERSION}"
        ));
    }
    if let Some(other) = get("datacontenttype").filter(|kind| !is_json(kind)) {
        return Err(format!(
            "its payload is {other}, and this program reads {JSON}"
        ));
    }
    let schema_version = parsed(given, "schemaversion")?.unwrap_or(1);
    if schema_version == 0 {
        return Err("its `schemaversion` is 0; they count from 1".to_owned());
    }
    let destination = || must("destination").map(ToOwned::to_owned);
    let purpose = match get("purpose") {
        None | Some("event") => Purpose::Event,
        Some("command") => Purpose::Command {
            service: destination()?,
        },
        Some("reply") => Purpose::Reply { to: destination()? },
        Some(other) => {
            return Err(format!(
                "its purpose is \"{other}\", which is not known here"
            ));
        }
    };
    let headers = get("headers").map(headers_of).transpose()?;
    let id = must("id")?;
    let subject = get("subject");
    Ok(Message {
        id: id.to_owned(),
        source: must("source")?.to_owned(),
        name: must("type")?.to_owned(),
        schema_version,
        time: parsed(given, "time")?,
        // Others may mean something else by it.
        expires: get("expirytime").and_then(|time| time.parse().ok()),
        subject: subject.map(ToOwned::to_owned),
        key: get("partitionkey").or(subject).unwrap_or(id).to_owned(),
        purpose,
        reply_to: get("replyto").map(ToOwned::to_owned),
        correlation_id: parsed(given, "correlationid")?,
        causation_id: parsed(given, "causationid")?,
        position: parsed::<u64>(given, "position")?.map(Position),
        headers: headers.unwrap_or_default(),
        data: Vec::new(),
    })
}

/// Whether a content type is JSON, with parameters or not.
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(JSON) || kind.ends_with("+json")
}

fn parsed<T: FromStr>(given: &BTreeMap<&str, &str>, name: &str) -> Result<Option<T>, String>
where
    T::Err: Display,
{
    let Some(text) = given.get(name).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let value = text
        .parse()
        .map_err(|error| format!("its `{name}` is {text:?} ({error})"));
    value.map(Some)
}

fn shown(value: Option<impl Display>) -> Option<Cow<'static, str>> {
    value.map(|value| Cow::Owned(value.to_string()))
}

/// Headers as a JSON object of texts, in their order.
struct InJson(Headers);

fn headers_text(headers: &Headers) -> Option<String> {
    let headers = headers.view();
    let mut json = serde_json::Serializer::new(Vec::new());
    // A map of texts can always be written, and is text then.
    json.collect_map(headers.iter()).ok()?;
    let text = String::from_utf8(json.into_inner()).ok();
    text.filter(|_| !headers.is_empty())
}

fn headers_of(text: &str) -> Result<Headers, String> {
    let read: InJson = from_json(text.as_bytes(), PhantomData)
        .map_err(|error| format!("its `headers` are no JSON object of texts ({error})"))?;
    Ok(read.0)
}

impl<'de> Deserialize<'de> for InJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Texts)
    }
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = InJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InJson, A::Error> {
        let mut headers = Headers::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            headers.insert(&key, &value);
        }
        Ok(InJson(headers))
    }
}
