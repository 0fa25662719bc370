//! The receiver, and how it settles.

use super::state::{Content, Given, Receiver};
use super::{LOCATION, Shared};
use crate::bus::{BusError, Deliveries, Received, Settle, Verdict};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// The messages of a queue of an [`InProcessBus`](super::InProcessBus).
pub struct InProcessDeliveries {
    bus: Arc<Shared>,
    queue: Arc<str>,
    receiver: Receiver,
}

impl InProcessDeliveries {
    pub(super) fn new(bus: Arc<Shared>, queue: &str, receiver: Receiver) -> Self {
        InProcessDeliveries {
            bus,
            queue: queue.into(),
            receiver,
        }
    }
}

impl Deliveries for InProcessDeliveries {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            let woken = self.receiver.wake.listen();
            let given = self.bus.lock().give(&self.queue, self.receiver.number);
            if let Some(Given {
                delivery,
                content,
                is_redelivered,
            }) = given
            {
                let settling = Settling {
                    bus: self.bus.clone(),
                    queue: self.queue.clone(),
                    delivery: Some(delivery),
                };
                let content = Content::clone(&content);
                return Ok(Received::new(content, is_redelivered, settling));
            }
            woken.await;
        }
    }
}

impl Drop for InProcessDeliveries {
    fn drop(&mut self) {
        let (woken, _removed) = self.bus.lock().leave(&self.queue, self.receiver.number);
        woken.wake();
    }
}

impl fmt::Debug for InProcessDeliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessDeliveries")
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// Settles one message; gives it back if dropped before.
struct Settling {
    bus: Arc<Shared>,
    queue: Arc<str>,
    delivery: Option<u64>,
}

impl Settling {
    fn done(&mut self, verdict: Verdict) -> Result<(), BusError> {
        let reason = match verdict {
            Verdict::Acknowledge => None,
            Verdict::SetAside { reason } => Some(reason),
        };
        let delivery = self.delivery.take();
        let settled =
            delivery.and_then(|delivery| self.bus.lock().settle(&self.queue, delivery, reason));
        let Some((_message, woken)) = settled else {
            return Err(BusError::Closed {
                location: LOCATION.to_owned(),
            });
        };
        woken.wake();
        Ok(())
    }
}

impl Settle for Settling {
    fn settle(
        mut self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        Box::pin(async move { self.done(verdict) })
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take() {
            self.bus.lock().give_back(&self.queue, delivery).wake();
        }
    }
}
