//! The end of a receiver: it makes room for another, and returns the messages that are not settled.

use super::{ACTION, Connection, Ended};
use crate::queues::GROUP;
use futures_util::StreamExt as _;
use midgard::bus::BusError;
use std::time::Duration;
use tokio::time::timeout;

/// The longest time for handing over, and for waiting for messages on their way.
const LEAVING: Duration = Duration::from_secs(2);
const QUIET: Duration = Duration::from_millis(20);

impl Connection<'_> {
    /// Makes room for another receiver, and returns unsettled messages.
    pub(super) async fn leave(&mut self) -> Result<Ended, BusError> {
        // If this fails, the server notices by itself after a while.
        let leave = self.hand_over();
        if !matches!(timeout(LEAVING, leave).await, Ok(Ok(()))) {
            tracing::debug!("a receiver left without notifying the server");
        }
        Ok(Ended::Closed)
    }

    async fn hand_over(&mut self) -> Result<(), BusError> {
        let options = &self.receiver.shared.options;
        let name = self.receiver.queue.name();
        let stream = self
            .session
            .jetstream
            .get_stream_no_info(&options.stream)
            .await;
        let stream = stream.map_err(|error| self.session.unavailable(ACTION, error))?;
        if self.receiver.queue.is_temporary() {
            let delete = stream.delete_consumer(name).await;
            return delete
                .map(|_| ())
                .map_err(|error| self.session.unavailable(ACTION, error));
        }
        if self.receiver.pin.is_some() {
            // From here on the server delivers to another receiver, but not the messages that this one has.
            let unpin = stream.unpin_consumer(name, GROUP).await;
            unpin.map_err(|error| self.session.unavailable(ACTION, error))?;
        }
        let mut replies = self.receiver.hand.empty();
        // Messages that were on their way meanwhile.
        while let Ok(Some(message)) = timeout(QUIET, self.subscriber.next()).await {
            if !message.subject.starts_with(&*self.inbox) {
                replies.extend(message.reply);
            }
        }
        for reply in replies {
            self.tell(reply, "-NAK").await?;
        }
        let unsubscribe = self.subscriber.unsubscribe();
        self.session.answer(ACTION, unsubscribe).await?;
        let flush = self.session.client.flush();
        self.session.answer(ACTION, flush).await
    }
}
