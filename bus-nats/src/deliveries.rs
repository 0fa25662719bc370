//! What comes out of a queue.

use crate::binding;
use crate::hand::{Claimed, Hand, Next};
use crate::options::NatsOptions;
use crate::settling::Settler;
use midgard::bus::{BusError, Deliveries, Received};
use std::fmt;
use std::sync::Arc;

/// What comes out of a queue of a [`NatsBus`](crate::NatsBus).
///
/// [`next`](Deliveries::next) waits through outages, which `tracing` tells of, and gives an error only when it is of
/// no use to go on. Messages that are handed out stay so over a lost connection, and can be settled when there is
/// another.
///
/// Dropped, it makes room for another receiver at once, and gives back what was not settled, which cannot be
/// settled any more.
pub struct NatsDeliveries {
    pub(crate) hand: Arc<Hand>,
    pub(crate) options: Arc<NatsOptions>,
    pub(crate) queue: Arc<str>,
}

impl Deliveries for NatsDeliveries {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            // A notice that comes before the wait is kept.
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
