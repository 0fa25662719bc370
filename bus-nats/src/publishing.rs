//! Publishing messages to the stream.

use crate::binding::{self, LARGEST_HEADERS};
use crate::interest::{Interest, Witness};
use crate::session::{Session, WINDOW};
use crate::subjects;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, ErrorCode};
use midgard::bus::{BusError, Message, Published};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::error::Error as _;
use std::sync::atomic::Ordering;

const ACTION: &str = "take messages";
/// How often messages are sent again when their queues were deleted meanwhile.
const ROUNDS: usize = 5;
/// How many messages are sent one by one after the stream has refused one.
const ONE_BY_ONE: usize = 1000;
/// The server's errors when it, the account or the stream has no room for a message.
const FULL: [ErrorCode; 6] = [
    ErrorCode::STREAM_STORE_FAILED,
    ErrorCode::STREAM_MAX_STREAM_BYTES_EXCEEDED,
    ErrorCode::INSUFFICIENT_RESOURCES,
    ErrorCode::STORAGE_RESOURCES_EXCEEDED,
    ErrorCode::MEMORY_RESOURCES_EXCEEDED,
    ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
];

/// A message to send.
struct Outgoing<'m> {
    message: &'m Message,
    /// Its index among the given messages.
    index: usize,
    subject: String,
}

/// Publishes messages, and waits until they are safe.
pub(crate) async fn publish(
    session: &Session,
    interest: &Interest,
    stream: &str,
    prefix: &str,
    messages: &[Message],
) -> Result<Published, BusError> {
    let mut waiting = prepare(session, prefix, messages)?;
    let mut unheard = Vec::new();
    for _ in 0..ROUNDS {
        let subjects: HashSet<&str> = waiting.iter().map(|out| &*out.subject).collect();
        let subjects: BTreeSet<String> = subjects.into_iter().map(ToOwned::to_owned).collect();
        let witnesses = interest.witnesses(session, stream, &subjects).await?;
        waiting.retain(|out| {
            let is_heard = witnesses.contains_key(&out.subject);
            if !is_heard {
                unheard.push(out.index);
            }
            is_heard
        });
        if waiting.is_empty() {
            break;
        }
        let not_taken = session
            .answer(ACTION, async {
                Ok::<_, BusError>(send(session, &waiting, &witnesses).await)
            })
            .await??;
        let gone = interest.gone(session, stream, &witnesses).await?;
        if let Some((index, why)) = not_taken {
            let is_safe = |out: &&Outgoing<'_>| out.index != index && !gone.contains(&out.subject);
            let first = waiting.iter().find(|out| !is_safe(out));
            let confirmed = first.map_or(index, |out| out.index);
            return Err(why.of(session, &messages[index], confirmed, unheard));
        }
        waiting.retain(|out| gone.contains(&out.subject));
        if waiting.is_empty() {
            break;
        }
    }
    if !waiting.is_empty() {
        let reason = "the queues that want them are created and deleted all the time";
        return Err(session.unavailable(ACTION, reason));
    }
    unheard.sort_unstable();
    Ok(Published::but(unheard))
}

/// Checks all messages before any is sent.
fn prepare<'m>(
    session: &Session,
    prefix: &str,
    messages: &'m [Message],
) -> Result<Vec<Outgoing<'m>>, BusError> {
    let largest = session.largest_message();
    let messages = messages.iter().enumerate();
    let prepared = messages.map(|(index, message)| {
        let headers = header_size(message, largest);
        let size = headers + message.payload.len();
        if headers > LARGEST_HEADERS {
            return Err(refused(message, format!(
                "its attributes and headers are {headers} bytes, and JetStream takes {LARGEST_HEADERS} at most; move long values into the payload"
            )));
        }
        if size > largest {
            return Err(refused(message, format!(
                "it is {size} bytes with its headers, and the server takes {largest} at most; make it smaller, or set `max_payload` in the server's configuration and the stream's `max_msg_size`"
            )));
        }
        let subject = subjects::subject(prefix, &message.topic());
        Ok(Outgoing { message, index, subject })
    });
    prepared.collect()
}

fn refused(message: &Message, reason: String) -> BusError {
    BusError::Refused {
        id: message.id.clone(),
        name: message.name.clone(),
        reason,
    }
}

/// Returns how many bytes the headers of a message are for the server, with the id that is added later, and with the
/// reason if it is set aside. The result is never too small, and may be too large if the headers are far from the
/// limit.
fn header_size(message: &Message, largest: usize) -> usize {
    let beside = 3 * (message.id.len() + message.source.len()) + 1024;
    let attributes = message.attributes();
    // A byte may take three, and a name is shorter than this.
    let attributes: usize = attributes.map(|(_, value)| 3 * value.len() + 32).sum();
    let most = attributes + beside;
    if most <= LARGEST_HEADERS && most + message.payload.len() <= largest {
        return most;
    }
    binding::size(&binding::headers(message), 0) + beside
}

/// Why an available server refuses a message.
enum NotTaken {
    /// It has no room now.
    Full(jetstream::Error),
    /// It would never accept the message.
    Refused(String),
}

impl NotTaken {
    /// Classifies the server's error; `None` when it is not about the message.
    fn of_error(error: &PublishError) -> Option<Self> {
        if error.kind() == PublishErrorKind::MaxPayloadExceeded {
            let reason = "it is larger than the server takes; make it smaller, or set `max_payload` in the server's configuration";
            return Some(NotTaken::Refused(reason.to_owned()));
        }
        let said: &jetstream::Error = error.source()?.downcast_ref()?;
        let reason = match said.error_code() {
            ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
                "make it smaller, or set `max_msg_size` of the stream"
            }
            ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => "move long values into the payload",
            code if FULL.contains(&code) => return Some(NotTaken::Full(said.clone())),
            _ => return None,
        };
        Some(NotTaken::Refused(format!("{said}; {reason}")))
    }

    fn of(
        self,
        session: &Session,
        message: &Message,
        confirmed: usize,
        mut unheard: Vec<usize>,
    ) -> BusError {
        match self {
            NotTaken::Refused(reason) => refused(message, reason),
            NotTaken::Full(said) => {
                unheard.retain(|index| *index < confirmed);
                unheard.sort_unstable();
                session.full(
                    confirmed,
                    unheard,
                    format!("{said}; handle or remove what is in the stream, or raise its limits"),
                )
            }
        }
    }
}

/// Sends messages without waiting for each, and waits until all are confirmed. Returns the first message that the
/// server has not taken, by its index, with the reason.
///
/// No message after that is sent. Messages already on their way may still be taken: so after a refusal, the next
/// messages are sent one by one for a while.
async fn send(
    session: &Session,
    outgoing: &[Outgoing<'_>],
    witnesses: &HashMap<String, Witness>,
) -> Result<Option<(usize, NotTaken)>, BusError> {
    let one_by_one = session.one_by_one.load(Ordering::Acquire);
    let window = if one_by_one > 0 { 1 } else { WINDOW };
    let mut unconfirmed = VecDeque::with_capacity(outgoing.len().min(window));
    let mut not_taken = None;
    for out in outgoing {
        let Some(witness) = witnesses.get(&out.subject) else {
            continue;
        };
        if unconfirmed.len() == window {
            confirmed(session, &mut unconfirmed, &mut not_taken).await?;
        }
        if not_taken.is_some() {
            break;
        }
        let message = out.message;
        let id = format!("{}/{}/{}", message.source, message.id, witness.since);
        let publish = PublishMessage::build()
            .headers(binding::headers(message))
            .message_id(binding::encoded(&id))
            .payload(message.payload.clone().into());
        let sent = session
            .jetstream
            .send_publish(out.subject.clone(), publish)
            .await;
        match sent {
            Ok(sent) => unconfirmed.push_back((out.index, sent)),
            Err(error) => {
                let why = NotTaken::of_error(&error).ok_or_else(|| failed(session, error))?;
                not_taken = Some((out.index, why));
            }
        }
    }
    while !unconfirmed.is_empty() {
        confirmed(session, &mut unconfirmed, &mut not_taken).await?;
    }
    let left = match &not_taken {
        Some((_, NotTaken::Full(_))) => ONE_BY_ONE,
        _ => one_by_one.saturating_sub(outgoing.len()),
    };
    session.one_by_one.store(left, Ordering::Release);
    Ok(not_taken)
}

/// Waits for the next confirmation.
async fn confirmed(
    session: &Session,
    unconfirmed: &mut VecDeque<(usize, PublishAckFuture)>,
    not_taken: &mut Option<(usize, NotTaken)>,
) -> Result<(), BusError> {
    if let Some((index, next)) = unconfirmed.pop_front()
        && let Err(error) = next.await
    {
        let why = NotTaken::of_error(&error).ok_or_else(|| failed(session, error))?;
        // A message that was sent before the first that could not be sent comes before it.
        if not_taken.as_ref().is_none_or(|(first, _)| index < *first) {
            *not_taken = Some((index, why));
        }
    }
    Ok(())
}

fn failed(session: &Session, error: PublishError) -> BusError {
    // Messages on their way in this connection must not arrive after the retry.
    session.give_up();
    match error.kind() {
        PublishErrorKind::StreamNotFound => {
            session.unavailable(ACTION, "JetStream, or the stream, is not there")
        }
        _ => session.unavailable(ACTION, error),
    }
}
