//! How messages get into the stream.

use crate::binding;
use crate::interest::{Interest, Witness};
use crate::session::{Session, WINDOW};
use crate::subjects;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use midgard::bus::{BusError, Message, Published};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

const ACTION: &str = "take messages";
/// How often messages are sent again whose queues went away in the middle.
const ROUNDS: usize = 5;

/// A message that is to be sent.
struct Outgoing<'m> {
    message: &'m Message,
    /// Its place in what was given.
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
        session
            .answer(ACTION, async {
                Ok::<_, BusError>(send(session, &waiting, &witnesses).await)
            })
            .await??;
        let gone = interest.gone(session, stream, &witnesses).await?;
        waiting.retain(|out| gone.contains(&out.subject));
        if waiting.is_empty() {
            break;
        }
    }
    if !waiting.is_empty() {
        let reason = "the queues that ask for them are made and removed all the time";
        return Err(session.unavailable(ACTION, reason));
    }
    unheard.sort_unstable();
    Ok(Published::but(unheard))
}

/// Looks at all messages before one is sent.
fn prepare<'m>(
    session: &Session,
    prefix: &str,
    messages: &'m [Message],
) -> Result<Vec<Outgoing<'m>>, BusError> {
    let largest = session.client.max_payload();
    let messages = messages.iter().enumerate();
    let prepared = messages.map(|(index, message)| {
        let size = size(message, largest);
        if size > largest {
            return Err(BusError::Refused {
                id: message.id.clone(),
                name: message.name.clone(),
                reason: format!(
                    "it is {size} bytes with its headers, and the server takes {largest} at most; make it smaller, or set `max_payload` in the server's configuration"
                ),
            });
        }
        let subject = subjects::subject(prefix, &message.topic());
        Ok(Outgoing { message, index, subject })
    });
    prepared.collect()
}

/// How many bytes a message is for the server, with the id that is still to be added, and with what it may be set
/// aside for; no less than that, when it is far from the largest.
fn size(message: &Message, largest: usize) -> usize {
    let beside = 3 * (message.id.len() + message.source.len()) + 1024;
    let attributes = message.attributes();
    // A byte may take three, and a name is shorter than this.
    let attributes: usize = attributes.map(|(_, value)| 3 * value.len() + 32).sum();
    let most = attributes + message.data.len() + beside;
    if most <= largest {
        return most;
    }
    binding::size(&binding::headers(message), message.data.len()) + beside
}

/// Sends messages without waiting for each, and waits until all are confirmed.
async fn send(
    session: &Session,
    outgoing: &[Outgoing<'_>],
    witnesses: &HashMap<String, Witness>,
) -> Result<(), BusError> {
    let mut unconfirmed = VecDeque::with_capacity(outgoing.len().min(WINDOW));
    for out in outgoing {
        let Some(witness) = witnesses.get(&out.subject) else {
            continue;
        };
        let message = out.message;
        let id = format!("{}/{}/{}", message.source, message.id, witness.since);
        let publish = PublishMessage::build()
            .headers(binding::headers(message))
            .message_id(binding::encoded(&id))
            .payload(message.data.clone().into());
        if unconfirmed.len() == WINDOW {
            confirmed(session, unconfirmed.pop_front()).await?;
        }
        let sent = session
            .jetstream
            .send_publish(out.subject.clone(), publish)
            .await;
        unconfirmed.push_back(sent.map_err(|error| failed(session, error))?);
    }
    while !unconfirmed.is_empty() {
        confirmed(session, unconfirmed.pop_front()).await?;
    }
    Ok(())
}

async fn confirmed(session: &Session, next: Option<PublishAckFuture>) -> Result<(), BusError> {
    if let Some(next) = next {
        next.await.map_err(|error| failed(session, error))?;
    }
    Ok(())
}

fn failed(session: &Session, error: async_nats::jetstream::context::PublishError) -> BusError {
    // What is on its way in this connection shall not come after what is sent again.
    session.give_up();
    match error.kind() {
        PublishErrorKind::StreamNotFound => {
            session.unavailable(ACTION, "JetStream, or the stream, is not there")
        }
        _ => session.unavailable(ACTION, error),
    }
}
