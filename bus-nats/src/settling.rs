//! Settling a received message.

use crate::hand::{Gone, Hand};
use crate::letters::{Letter, REASON, SET_ASIDE};
use crate::options::NatsOptions;
use crate::session::{self, Session, unavailable};
use async_nats::{HeaderMap, Message};
use midgard::bus::{BusError, Settle, Verdict};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

const ACKNOWLEDGE: &str = "acknowledge a message";
/// When a message that could not be set aside is handed out again.
const AGAIN: Duration = Duration::from_secs(1);

/// Settles one message. If it is dropped first, the message is handed out again.
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
            session::check_runtime(|| self.options.location())?;
            let claimed = self.hand.claimed(self.sequence, self.claim);
            let (message, session) = claimed.map_err(|gone| self.gone(action, gone))?;
            if let Verdict::SetAside { reason } = verdict {
                let kept = self.keep(&session, &message, &reason).await;
                if kept.is_err() && !session.is_lost() {
                    sleep(AGAIN).await;
                }
                kept?;
            }
            if session.is_lost() {
                return Err(session.unavailable(action, "the connection was lost"));
            }
            if let Some(reply) = message.reply.clone() {
                let acknowledge = session.client.publish(reply, "+ACK".into());
                session.answer(action, acknowledge).await?;
            }
            // From here on it is remembered: if the acknowledgement is lost, it is repeated.
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

    /// Stores a message in the stream of messages that were set aside.
    async fn keep(
        &self,
        session: &Session,
        message: &Message,
        reason: &str,
    ) -> Result<(), BusError> {
        let letter = Letter {
            subject: format!("{}_dead.{}", self.options.prefix, self.queue),
            id: format!("{}/{}/{}", self.queue, self.sequence, self.published),
            headers: headers(message),
            reason,
            payload: &message.payload,
        };
        letter.keep(session).await
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.hand.give_back(self.sequence, self.claim);
    }
}

/// Returns the headers of a message without those that have a meaning for the server.
fn headers(message: &Message) -> HeaderMap {
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
    kept
}
