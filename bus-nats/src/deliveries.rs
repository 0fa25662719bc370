//! Receiving from a queue.

use crate::binding;
use crate::hand::{Claimed, Hand, Next};
use crate::options::NatsOptions;
use crate::settling::Settler;
use midgard::bus::{BusError, Deliveries, Received};
use std::fmt;
use std::sync::Arc;

/// The deliveries of a queue of a [`NatsBus`](crate::NatsBus).
///
/// [`next`](Deliveries::next) waits through outages, which it reports to `tracing`, and returns an error only when continuing
/// does not help. Messages that are handed out remain so over a lost connection, and can be settled over
/// the next one.
///
/// Dropping it makes room for another receiver at once, and returns unsettled messages to the queue; they can no
/// longer be settled.
pub struct NatsDeliveries {
    pub(crate) hand: Arc<Hand>,
    pub(crate) options: Arc<NatsOptions>,
    pub(crate) queue: Arc<str>,
}

impl Deliveries for NatsDeliveries {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            // A notification that comes before the wait is kept.
            match self.hand.take() {
                Next::Message(claimed) => return Ok(self.received(&claimed)),
                Next::Trouble(error) => return Err(error),
                Next::Ended => {
                    return Err(BusError::Closed {
                        location: self.options.location(),
                    });
                }
                Next::Nothing => self.hand.changed.notified().await,
            }
        }
    }
}

impl NatsDeliveries {
    fn received(&self, claimed: &Claimed) -> Received {
        let message = &claimed.message;
        let settler = Settler {
            hand: Arc::clone(&self.hand),
            options: Arc::clone(&self.options),
            queue: Arc::clone(&self.queue),
            sequence: claimed.sequence,
            published: claimed.published,
            claim: claimed.claim,
        };
        let content = binding::read(message.headers.as_ref(), &message.payload);
        Received::new(content, claimed.is_redelivered, settler)
    }
}

impl Drop for NatsDeliveries {
    fn drop(&mut self) {
        self.hand.close();
    }
}

impl fmt::Debug for NatsDeliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsDeliveries")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
