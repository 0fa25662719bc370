//! Messages in RabbitMQ: the binding of CloudEvents to AMQP, in its binary mode.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use midgard::Timestamp;
use midgard::bus::{ForeignMessage, Message, Purpose};
use std::collections::BTreeMap;

/// The prefixes of headers that hold attributes; some AMQP clients write the second one.
const PREFIXES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];
const STRUCTURED: &str = "application/cloudevents+json";
/// A message must have these.
const NECESSARY: [&str; 4] = ["specversion", "id", "source", "type"];
/// This attribute is the content type of the message, and not among the headers.
const CONTENT_TYPE: &str = "datacontenttype";
/// The largest size of properties: they are sent in one frame, of 128 KiB on brokers with default settings, and the
/// broker adds to them when it redelivers, and when it moves a message to the dead letters.
pub(crate) const LARGEST: usize = 112 << 10;
/// The delivery mode of a message that is kept on disk.
const PERSISTENT: u8 = 2;

/// Returns the properties to send a message with.
pub(crate) fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    for (name, value) in message.attributes() {
        if name == CONTENT_TYPE {
            if let Ok(kind) = ShortString::try_new(value) {
                properties = properties.with_content_type(kind);
            }
            continue;
        }
        // Names of attributes are short.
        if let Ok(name) = ShortString::try_new([PREFIXES[0], name].concat()) {
            let value = LongString::from(value.into_owned());
            headers.insert(name, AMQPValue::LongString(value));
        }
    }
    // For the broker's tools; what is too long for them is only among the headers.
    if let Ok(id) = ShortString::try_new(&*message.id) {
        properties = properties.with_message_id(id);
    }
    if let Ok(name) = ShortString::try_new(&*message.name) {
        properties = properties.with_type(name);
    }
    if let Some(id) = message.correlation_id
        && let Ok(id) = ShortString::try_new(id.to_string())
    {
        properties = properties.with_correlation_id(id);
    }
    if let Some(time) = message.time {
        properties = properties.with_timestamp(time.as_micros() / 1_000_000);
    }
    if let Some(left) = time_left(message)
        && let Ok(left) = ShortString::try_new(left.to_string())
    {
        properties = properties.with_expiration(left);
    }
    properties.with_headers(headers)
}

/// Returns for how many milliseconds the sender of a command still waits for the outcome, if that is known. The
/// broker's limit is some weeks; a longer time need not be passed on.
fn time_left(message: &Message) -> Option<u64> {
    const LONGEST: u64 = 24 * 3600 * 1000;
    let expires = message.expires?.as_micros();
    let left = expires.saturating_sub(Timestamp::now().as_micros()) / 1000;
    let is_command = matches!(message.purpose, Purpose::Command { .. });
    (is_command && left <= LONGEST).then_some(left)
}

/// Reads a received message in the binary mode of CloudEvents, or in the structured one.
pub(crate) fn read(properties: &BasicProperties, body: &[u8]) -> Result<Message, ForeignMessage> {
    let kind = properties.content_type().as_ref().map(ShortString::as_str);
    let is_structured = kind.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(STRUCTURED)
    });
    if is_structured {
        return Message::from_json(body);
    }
    let mut attributes = Vec::new();
    let mut unreadable = None;
    for (name, value) in properties.headers().iter().flat_map(FieldTable::inner) {
        let name = name.as_str();
        let Some(name) = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)) else {
            continue;
        };
        match text(value) {
            Some(text) => attributes.push((name.to_owned(), text)),
            // Others may have a table under the name of an extension.
            None if NECESSARY.contains(&name) => unreadable = Some(name.to_owned()),
            None => {}
        }
    }
    if let Some(kind) = kind {
        attributes.push((CONTENT_TYPE.to_owned(), kind.to_owned()));
    }
    if let Some(name) = unreadable {
        let reason = format!("its attribute `{name}` is not text");
        return Err(ForeignMessage::new(reason, attributes, body.to_vec()));
    }
    let pairs = attributes.iter().map(|(name, value)| (&**name, &**value));
    Message::from_attributes(pairs, body.to_vec())
}

/// Returns the value of an attribute as a text; `None` when it cannot be one.
fn text(value: &AMQPValue) -> Option<String> {
    Some(match value {
        AMQPValue::LongString(text) => str::from_utf8(text.as_bytes()).ok()?.to_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::ShortShortInt(number) => number.to_string(),
        AMQPValue::ShortShortUInt(number) => number.to_string(),
        AMQPValue::ShortInt(number) => number.to_string(),
        AMQPValue::ShortUInt(number) => number.to_string(),
        AMQPValue::LongInt(number) => number.to_string(),
        AMQPValue::LongUInt(number) => number.to_string(),
        AMQPValue::LongLongInt(number) => number.to_string(),
        AMQPValue::Timestamp(seconds) => {
            Timestamp::from_micros(seconds.checked_mul(1_000_000)?).to_string()
        }
        _ => return None,
    })
}

/// Returns about how many bytes properties take on the wire; never too few.
pub(crate) fn size(properties: &BasicProperties) -> usize {
    let short =
        |text: &Option<ShortString>| text.as_ref().map_or(0, |text| text.as_str().len() + 1);
    let headers = properties.headers().as_ref().map_or(0, table_size);
    let texts = [
        properties.content_type(),
        properties.content_encoding(),
        properties.correlation_id(),
        properties.reply_to(),
        properties.message_id(),
        properties.kind(),
        properties.app_id(),
        properties.cluster_id(),
    ];
    64 + headers + texts.into_iter().map(short).sum::<usize>()
}

fn table_size(table: &FieldTable) -> usize {
    let fields = table.inner().iter();
    4 + fields
        .map(|(name, value)| 1 + name.as_str().len() + value_size(value))
        .sum::<usize>()
}

fn value_size(value: &AMQPValue) -> usize {
    1 + match value {
        AMQPValue::LongString(text) => 4 + text.len(),
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.len(),
        AMQPValue::FieldTable(table) => table_size(table),
        AMQPValue::FieldArray(values) => {
            4 + values.as_slice().iter().map(value_size).sum::<usize>()
        }
        _ => 8,
    }
}

/// Returns the id among the headers.
pub(crate) fn id(properties: &BasicProperties) -> Option<String> {
    let headers = properties.headers().as_ref()?.inner();
    text(headers.get(&*[PREFIXES[0], "id"].concat())?)
}

/// Drops the largest headers until the properties fit into a frame, together with the broker's additions.
pub(crate) fn shorten(properties: &mut BasicProperties) {
    while size(properties) > LARGEST
        && let Some(headers) = properties.headers()
    {
        let headers = headers.inner().iter();
        let largest = headers.clone().max_by_key(|(_, value)| value_size(value));
        let Some(largest) = largest.map(|(name, _)| name.clone()) else {
            return;
        };
        let left = headers.filter(|(name, _)| **name != largest);
        let left: BTreeMap<_, _> = left
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        *properties = std::mem::take(properties).with_headers(left.into());
    }
}
