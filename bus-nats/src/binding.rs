//! Messages in NATS: the binary mode of the CloudEvents binding for NATS, and for reading the structured mode too.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use midgard::bus::{ForeignMessage, Message};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;
use std::str::FromStr;

/// Characters to encode in values of attributes, in addition to everything that is not ASCII.
const IN_ATTRIBUTES: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
/// The prefix of headers that hold attributes.
const ATTRIBUTE: &str = "ce-";
/// The most bytes that JetStream accepts as headers of a message.
pub(crate) const LARGEST_HEADERS: usize = 65_535;
const CONTENT_TYPE: &str = "content-type";
const STRUCTURED: &str = "application/cloudevents";
const STRUCTURED_JSON: &str = "application/cloudevents+json";

/// Returns the headers of a message.
pub(crate) fn headers(message: &Message) -> HeaderMap {
    let attributes = message.attributes();
    attributes
        .filter_map(|(name, value)| {
            // Names of attributes are lower-case letters and digits, which are valid in headers.
            let name = HeaderName::from_str(&format!("{ATTRIBUTE}{name}")).ok()?;
            Some((name, HeaderValue::from(encoded(&value))))
        })
        .collect()
}

/// Encodes the value of an attribute as a header.
pub(crate) fn encoded(value: &str) -> String {
    Cow::from(utf8_percent_encode(value, IN_ATTRIBUTES)).into_owned()
}

/// Encodes a header for people to read: only characters that would end the line, or be trimmed.
pub(crate) fn encoded_lines(text: &str) -> String {
    const LINES: &AsciiSet = &CONTROLS.add(b'%');
    let inner = text.trim();
    let start = text.len() - text.trim_start().len();
    let mut line = encoded(&text[..start]);
    for character in inner.chars() {
        if character.is_ascii() {
            line.extend(utf8_percent_encode(
                character.encode_utf8(&mut [0; 4]),
                LINES,
            ));
        } else {
            line.push(character);
        }
    }
    line.push_str(&encoded(&text[start + inner.len()..]));
    line
}

/// Reads a received message.
pub(crate) fn read(headers: Option<&HeaderMap>, payload: &[u8]) -> Result<Message, ForeignMessage> {
    let headers = headers.into_iter().flat_map(HeaderMap::iter);
    let headers: Vec<(String, &str)> = headers
        .filter_map(|(name, values)| {
            let name: &str = name.as_ref();
            Some((name.to_ascii_lowercase(), values.first()?.as_str()))
        })
        .collect();
    let content_type = headers.iter().find(|(name, _)| name == CONTENT_TYPE);
    let content_type = content_type.map(|(_, value)| value.trim().to_ascii_lowercase());
    if let Some(content_type) = &content_type
        && content_type.starts_with(STRUCTURED)
    {
        let (kind, _) = content_type.split_once(';').unwrap_or((content_type, ""));
        return match kind.trim() {
            STRUCTURED_JSON => Message::from_json(payload),
            other => Err(ForeignMessage::new(
                format!("it is {other}, and this program reads {STRUCTURED_JSON}"),
                owned(&headers),
                payload.to_vec(),
            )),
        };
    }
    let attributes: Vec<(&str, Cow<'_, str>)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(ATTRIBUTE)?, decoded(value))))
        .collect();
    let mut pairs: Vec<(&str, &str)> = attributes
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    if let Some(content_type) = &content_type
        && !pairs.iter().any(|(name, _)| *name == "datacontenttype")
    {
        pairs.push(("datacontenttype", content_type));
    }
    Message::from_attributes(pairs, payload.to_vec()).map_err(|mut foreign| {
        // Other headers of a stranger's message help to identify the sender.
        let others = headers
            .iter()
            .filter(|(name, _)| !name.starts_with(ATTRIBUTE));
        let others = others.map(|(name, value)| (name.clone(), (*value).to_owned()));
        foreign.attributes.extend(others);
        foreign
    })
}

/// Decodes a percent-encoded value; returns it as it is when the result is not text.
fn decoded(value: &str) -> Cow<'_, str> {
    percent_decode_str(value)
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(value))
}

fn owned(headers: &[(String, &str)]) -> Vec<(String, String)> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.clone(), (*value).to_owned()))
        .collect()
}

/// Returns how many bytes headers and payload are for the server.
pub(crate) fn size(headers: &HeaderMap, payload: usize) -> usize {
    let lines = headers.iter().flat_map(|(name, values)| {
        let name: &str = name.as_ref();
        values
            .iter()
            .map(move |value| name.len() + value.as_str().len() + ": \r\n".len())
    });
    "NATS/1.0\r\n\r\n".len() + lines.sum::<usize>() + payload
}
