//! Messages that the client cannot read: it ends the connection at headers that are not text, or not headers.
//!
//! A stranger can put such a message into the stream, and the server would deliver it again and again. When
//! connections are lost one after the other, the messages of a queue are read by another request, in which the
//! headers come as data, and messages of this kind are set aside.

use crate::interest;
use crate::letters::Letter;
use crate::options::NatsOptions;
use crate::session::Session;
use crate::subjects;
use async_nats::jetstream::consumer::Info;
use async_nats::jetstream::response::Response;
use async_nats::{HeaderMap, HeaderName, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use midgard::bus::{BusError, Queue};
use serde_json::{Value, json};
use std::str::FromStr as _;

/// The header that keeps unreadable headers, in base64.
const HEADERS: &str = "Midgard-Headers";
const ACTION: &str = "search for unreadable messages";

/// Sets aside the unreadable messages among those that are delivered to a queue now.
pub(crate) async fn set_aside(
    session: &Session,
    options: &NatsOptions,
    queue: &Queue,
) -> Result<(), BusError> {
    let Some(info) = interest::consumer(session, &options.stream, queue.name()).await? else {
        return Ok(());
    };
    let mut sequence = info.ack_floor.stream_sequence + 1;
    while sequence <= info.delivered.stream_sequence {
        let Some(message) = get(session, options, sequence).await? else {
            return Ok(());
        };
        let number = message["seq"].as_u64().unwrap_or(sequence);
        if number > info.delivered.stream_sequence {
            return Ok(());
        }
        sequence = number + 1;
        let bytes = |part: &str| STANDARD.decode(message[part].as_str().unwrap_or_default());
        let (Ok(headers), Ok(data)) = (bytes("hdrs"), bytes("data")) else {
            continue;
        };
        let subject = message["subject"].as_str().unwrap_or_default();
        if asks(&info, subject)
            && let Err(reason) = check(&headers)
        {
            keep(session, options, &info, number, &headers, data, &reason).await?;
        }
    }
    Ok(())
}

fn asks(info: &Info, subject: &str) -> bool {
    let filters = &info.config.filter_subjects;
    let filter = &info.config.filter_subject;
    filters
        .iter()
        .chain([filter])
        .any(|filter| subjects::matches(filter, subject))
}

/// Returns the message at this place in the stream, or the next one after it.
async fn get(
    session: &Session,
    options: &NatsOptions,
    sequence: u64,
) -> Result<Option<Value>, BusError> {
    let subject = format!("STREAM.MSG.GET.{}", options.stream);
    let request = json!({ "seq": sequence, "next_by_subj": format!("{}.>", options.prefix) });
    let answer = session.jetstream.request(subject, &request);
    match session.answer(ACTION, answer).await? {
        Response::Ok(answer) => {
            let mut answer: Value = answer;
            Ok(Some(answer["message"].take()))
        }
        Response::Err { error } if error.code() == 404 => Ok(None),
        Response::Err { error } => Err(session.unavailable(ACTION, error)),
    }
}

/// Returns an error if the client cannot read these headers.
fn check(headers: &[u8]) -> Result<(), String> {
    if headers.is_empty() {
        return Ok(());
    }
    let text =
        str::from_utf8(headers).map_err(|error| format!("its headers are not UTF-8 ({error})"))?;
    let mut lines = text.lines();
    let version = lines.next().and_then(|line| line.strip_prefix("NATS/1.0"));
    let status = version
        .ok_or("its headers do not begin with their version")?
        .trim();
    let (status, _) = status.split_once(' ').unwrap_or((status, ""));
    if !status.is_empty() && StatusCode::from_str(status).is_err() {
        return Err(format!(
            "its headers begin with a malformed status: {status:?}"
        ));
    }
    let mut is_first = true;
    for line in lines.filter(|line| !line.is_empty()) {
        // A line that begins with a space continues the previous one.
        if !is_first && line.starts_with(char::is_whitespace) {
            continue;
        }
        is_first = false;
        let name = line
            .split_once(':')
            .map(|(name, _)| HeaderName::from_str(name));
        if !matches!(name, Some(Ok(_))) {
            return Err(format!("one of its headers has no name: {line:?}"));
        }
    }
    Ok(())
}

/// Sets a message aside, and acknowledges it for the queue.
async fn keep(
    session: &Session,
    options: &NatsOptions,
    info: &Info,
    sequence: u64,
    raw: &[u8],
    data: Vec<u8>,
    reason: &str,
) -> Result<(), BusError> {
    let name = &info.name;
    let mut headers = HeaderMap::new();
    headers.insert(HEADERS, STANDARD.encode(raw));
    let letter = Letter {
        subject: format!("{}_dead.{name}", options.prefix),
        id: format!("{name}/{sequence}"),
        headers,
        reason,
        payload: &data,
    };
    letter.keep(session).await?;
    tracing::warn!(
        queue = name,
        stream_sequence = sequence,
        reason,
        "an unreadable message was set aside"
    );
    // The subject for acknowledging the delivery, which did not come through: the server uses only the place in the
    // stream from it.
    let delivery = info.delivered.consumer_sequence;
    let reply = format!(
        "$JS.ACK.{}.{name}.1.{sequence}.{delivery}.0.0",
        options.stream
    );
    let acknowledge = session.client.request(reply, "+ACK".into());
    session.answer(ACTION, acknowledge).await?;
    Ok(())
}
