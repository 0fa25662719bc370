//! How a message that was received is settled.

use crate::binding;
use crate::hand::{Gone, Hand};
use crate::options::NatsOptions;
use crate::session::{Session, unavailable};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::{HeaderMap, Message};
use midgard::bus::{BusError, Settle, Verdict};
use std::pin::Pin;
use std::sync::Arc;

/// The header that says why a message was set aside.
pub(crate) const REASON: &str = "Midgard-Reason";
const ACKNOWLEDGE: &str = "acknowledge a message";
const SET_ASIDE: &str = "set a message aside";

/// Settles one message. Dropped without that, the message is handed out again.
pub(crate) struct Settler {
    pub(crate) hand: Arc<Hand>,
    pub(crate) options: Arc<NatsOptions>,
    pub(crate) queue: Arc<str>,
    pub(crate) sequence: u64,
    pub(crate) published: i128,
    pub(crate) claim: u64,
}

impl Settle for Settler {
    fn settle(
        self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        Box::pin(async move {
            let action = match verdict {
                Verdict::Acknowledge => ACKNOWLEDGE,
                Verdict::SetAside { .. } => SET_ASIDE,
            };
            let claimed = self.hand.claimed(self.sequence, self.claim);
            let (message, session) = claimed.map_err(|gone| self.gone(action, gone))?;
            if let Verdict::SetAside { reason } = verdict {
                self.keep(&session, &message, &reason).await?;
            }
            if session.is_lost() {
                return Err(session.unavailable(action, "the connection was lost"));
            }
            if let Some(reply) = message.reply.clone() {
                let acknowledge = session.client.publish(reply, "+ACK".into());
                session.answer(action, acknowledge).await?;
            }
            // From here on it is remembered: when the acknowledgement is lost on its way, it is said again.
            self.hand.settle(self.sequence, self.claim, self.published);
            Ok(())
        })
    }
}

impl Settler {
    fn gone(&self, action: &'static str, gone: Gone) -> BusError {
        let location = self.options.location();
        match gone {
            Gone::Closed => BusError::Closed { location },
            Gone::GivenAway => unavailable(&location, action, gone),
        }
    }

    /// Keeps a message in the stream of those that were set aside.
    async fn keep(
        &self,
        session: &Session,
        message: &Message,
        reason: &str,
    ) -> Result<(), BusError> {
        let subject = format!("{}_dead.{}", self.options.prefix, self.queue);
        let id = format!("{}/{}/{}", self.queue, self.sequence, self.published);
        let headers = headers(
            message,
            reason,
            session.client.max_payload() - id.len() - "Nats-Msg-Id: \r\n".len(),
        );
        let publish = PublishMessage::build()
            .headers(headers)
            .message_id(id)
            .payload(message.payload.clone());
        let published = async {
            session
                .jetstream
                .send_publish(subject, publish)
                .await?
                .await
        };
        let published = async { Ok::<_, BusError>(published.await) };
        match session.answer(SET_ASIDE, published).await? {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => Err(session.unusable(format!(
                "message {} of the stream {} is as large as the server takes, and cannot be kept aside with the reason; set a larger `max_payload` in the server's configuration",
                self.sequence, self.options.stream
            ))),
            Err(error) => Err(session.unavailable(SET_ASIDE, error)),
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.hand.give_back(self.sequence, self.claim);
    }
}

/// The headers of a message without what the server means by some of them, and why it is set aside: all of the
/// reason, or what there is room for.
fn headers(message: &Message, reason: &str, most: usize) -> HeaderMap {
    let headers = message.headers.iter().flat_map(HeaderMap::iter);
    let mut kept = HeaderMap::new();
    for (name, values) in headers {
        let text: &str = name.as_ref();
        let is_special = text
            .get(..5)
            .is_some_and(|begin| begin.eq_ignore_ascii_case("nats-"));
        if !is_special && text != REASON {
            values
                .iter()
                .for_each(|value| kept.append(name.clone(), value.clone()));
        }
    }
    let mut reason = binding::encoded_lines(reason);
    let room = most.saturating_sub(
        binding::size(&kept, message.payload.len()) + REASON.len() + ": \r\n".len(),
    );
    if reason.len() > room {
        reason.truncate(reason.floor_char_boundary(room));
    }
    kept.insert(REASON, reason);
    kept
}
