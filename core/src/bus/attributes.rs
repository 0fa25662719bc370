//! A message as CloudEvents attributes: what buses put into headers, in the binary mode of CloudEvents.

use super::message::{Message, Purpose};
use super::received::ForeignMessage;
use crate::event::codec::Codec;
use crate::event::metadata::Headers;
use crate::limits::{
    HEADER_KEY_BYTES, HEADER_VALUE_BYTES, HEADERS, LimitError, Limited, check_size,
};
use crate::place::{LogId, Place, Position};
use crate::time::Timestamp;
use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde::ser::Serializer as _;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

/// The version of CloudEvents.
const SPECVERSION: &str = "1.0";
/// The content type of JSON payloads.
const JSON: &str = "application/json";
/// The prefix of the content types of other codecs; the code of the codec follows.
const OTHER_CODEC: &str = "application/vnd.midgard.codec-";

impl Message {
    /// Returns the CloudEvents attributes of the message, without the payload.
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
            ("datacontenttype", Some(content_type(self.codec))),
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
            (
                "position",
                self.place.map(|place| Cow::Owned(place_text(place))),
            ),
            ("headers", headers_text(&self.headers).map(Cow::Owned)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Builds a message from its attributes, in any order, and its payload. Unknown attributes are ignored, and so are
    /// [extensions of others](Message#extensions-of-others).
    ///
    /// # Errors
    /// [`ForeignMessage`], with all that was given, when an attribute is missing or malformed.
    pub fn from_attributes<'a>(
        attributes: impl IntoIterator<Item = (&'a str, &'a str)>,
        payload: Vec<u8>,
    ) -> Result<Self, ForeignMessage> {
        let given: BTreeMap<_, _> = attributes.into_iter().collect();
        match read(&given) {
            Ok(message) => Ok(Message { payload, ..message }),
            Err(reason) => {
                let owned = |(name, value): (&&str, &&str)| ((*name).into(), (*value).into());
                let attributes = given.iter().map(owned).collect();
                Err(ForeignMessage::new(reason, attributes, payload))
            }
        }
    }
}

/// Reads attributes, or returns what is wrong with them.
fn read(given: &BTreeMap<&str, &str>) -> Result<Message, String> {
    let get = |name| given.get(name).copied().filter(|value| !value.is_empty());
    let must = |name| {
        get(name)
            .ok_or_else(|| format!("it has no attribute `{name}`, which CloudEvents 1.0 requires"))
    };
    let version = must("specversion")?;
    if version != SPECVERSION {
        return Err(format!(
            "it is of CloudEvents {version}, and this program reads {SPECVERSION}"
        ));
    }
    let codec = codec_of(get("datacontenttype"))?;
    // Every message of Midgard has it, and no other extension has this name.
    let schema_version: Option<u32> = parsed(given, "schemaversion").filter(|count| *count > 0);
    let is_own = schema_version.is_some();
    let id = must("id")?;
    let subject = get("subject");
    Ok(Message {
        id: id.to_owned(),
        source: must("source")?.to_owned(),
        name: must("type")?.to_owned(),
        schema_version: schema_version.unwrap_or(1),
        time: get("time").and_then(time_of),
        // Others may use the name for something else.
        expires: get("expirytime").and_then(time_of),
        subject: subject.map(ToOwned::to_owned),
        key: get("partitionkey").or(subject).unwrap_or(id).to_owned(),
        purpose: purpose_of(get("purpose"), get("destination"), is_own)?,
        reply_to: get("replyto").map(ToOwned::to_owned),
        correlation_id: parsed(given, "correlationid"),
        causation_id: parsed(given, "causationid"),
        // Any number could be a position.
        place: get("position").filter(|_| is_own).and_then(place_of),
        headers: get("headers").map_or(Ok(Headers::new()), headers_of)?,
        codec,
        payload: Vec::new(),
    })
}

/// The purpose of a message. An unknown one comes from a newer release, or is another's word for something else.
fn purpose_of(
    purpose: Option<&str>,
    destination: Option<&str>,
    is_own: bool,
) -> Result<Purpose, String> {
    let destination = destination.map(ToOwned::to_owned);
    match (purpose, destination) {
        (Some("command"), Some(service)) => Ok(Purpose::Command { service }),
        (Some("reply"), Some(to)) => Ok(Purpose::Reply { to }),
        (None | Some("event"), _) => Ok(Purpose::Event),
        _ if !is_own => Ok(Purpose::Event),
        (Some(purpose @ ("command" | "reply")), None) => Err(format!(
            "it is a {purpose} without the attribute `destination`, and so for nobody"
        )),
        (Some(other), _) => Err(format!(
            "its purpose is \"{other}\", which is not known here; a newer release may know it"
        )),
    }
}

/// The content type of a codec.
fn content_type(codec: Codec) -> Cow<'static, str> {
    match codec {
        Codec::JSON => Cow::Borrowed(JSON),
        other => Cow::Owned(format!("{OTHER_CODEC}{}", other.code())),
    }
}

/// The codec of a content type; JSON when there is none. A codec that this release does not know is kept: a newer release
/// may read it.
fn codec_of(content_type: Option<&str>) -> Result<Codec, String> {
    match content_type {
        None => Ok(Codec::JSON),
        Some(kind) if is_json(kind) => Ok(Codec::JSON),
        Some(other) => {
            let code = other.strip_prefix(OTHER_CODEC);
            let code = code
                .and_then(|code| code.parse().ok())
                .map(Codec::from_code);
            code.ok_or_else(|| format!("its payload is {other}, and this program reads {JSON}"))
        }
    }
}

/// Whether a content type is JSON, as the JSON format of CloudEvents has it: by its subtype, with parameters or not.
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let subtype = kind.rsplit('/').next().unwrap_or_default();
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    suffix.eq_ignore_ascii_case("json") && kind.contains('/')
}

/// The value of an attribute; `None` when it does not have this form.
fn parsed<T: FromStr>(given: &BTreeMap<&str, &str>, name: &str) -> Option<T> {
    given.get(name)?.parse().ok()
}

/// Writes a place as text: a position alone is in the main log, as the first releases write it; otherwise the log comes before
/// it. The first releases, which know no other log, do not take that for a position.
fn place_text(place: Place) -> String {
    match place.log {
        LogId::MAIN => place.position.to_string(),
        log => format!("{log}/{}", place.position),
    }
}

fn place_of(text: &str) -> Option<Place> {
    let Some((log, position)) = text.split_once('/') else {
        return text.parse().ok().map(Position).map(Place::main);
    };
    let (log, position) = (log.parse().ok()?, position.parse().ok()?);
    Some(Place::new(LogId(log), Position(position)))
}

/// Reads a time of RFC 3339, which allows a small `t` and `z`. There is no time before 1970.
fn time_of(text: &str) -> Option<Timestamp> {
    text.to_ascii_uppercase().parse().ok()
}

fn shown(value: Option<impl Display>) -> Option<Cow<'static, str>> {
    value.map(|value| Cow::Owned(value.to_string()))
}

fn headers_text(headers: &Headers) -> Option<String> {
    let headers = headers.view();
    let mut json = serde_json::Serializer::new(Vec::new());
    // A map of strings can always be written, and is valid UTF-8 then.
    json.collect_map(headers.iter()).ok()?;
    let text = String::from_utf8(json.into_inner()).ok();
    text.filter(|_| !headers.is_empty())
}

/// Reads headers from a JSON object of strings, in their order; `None` when it is something else. Reading stops with an
/// error at the limits of events.
fn headers_of(text: &str) -> Result<Headers, String> {
    let mut texts = Texts::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = json.deserialize_map(&mut texts).and_then(|()| json.end());
    match (texts.beyond, read) {
        (Some(beyond), _) => Err(format!("its `headers` are too many or too long: {beyond}")),
        (None, Ok(())) => Ok(texts.headers.into_iter().collect()),
        (None, Err(_)) => Ok(Headers::new()),
    }
}

/// The entries of a JSON object of strings.
#[derive(Default)]
struct Texts {
    headers: Vec<(String, String)>,
    /// The limit of events that the entries exceed.
    beyond: Option<LimitError>,
}

impl Texts {
    fn check(&self, key: &str, value: &str) -> Result<(), LimitError> {
        check_size(Limited::Headers, HEADERS, self.headers.len() + 1)?;
        check_size(Limited::HeaderKey, HEADER_KEY_BYTES, key.len())?;
        check_size(Limited::HeaderValue, HEADER_VALUE_BYTES, value.len())
    }
}

impl<'de> Visitor<'de> for &mut Texts {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if let Err(beyond) = self.check(&key, &value) {
                let stop = A::Error::custom(&beyond);
                self.beyond = Some(beyond);
                return Err(stop);
            }
            self.headers.push((key, value));
        }
        Ok(())
    }
}
