//! What comes out of a queue of the model of a broker.

use super::broker::{Server, put, unavailable};
use super::fault;
use futures_timer::Delay;
use futures_util::FutureExt;
use futures_util::future::{Either, pending, select};
use midgard::bus::{
    BusError, Deliveries, ForeignMessage, InProcessDeliveries, Message, Queue, Received, Settle,
    Subscriber, Verdict,
};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Line {
    pub(crate) fault: u8,
    pub(crate) server: Arc<Server>,
    pub(crate) queue: Queue,
    pub(crate) deliveries: Option<InProcessDeliveries>,
    /// How often the broker had been killed when it connected last.
    pub(crate) kills: u64,
    pub(crate) is_shut: bool,
    /// What was acknowledged, and is not taken out of the queue.
    pub(crate) forgotten: Arc<Mutex<Vec<Box<dyn Settle>>>>,
}

impl Line {
    /// Connects anew.
    async fn connect(&mut self) -> Result<(), BusError> {
        self.deliveries = None;
        let kills = self.server.kills();
        let bus = match self.server.connect("receive") {
            Ok(bus) => bus,
            Err(error) => {
                Delay::new(Duration::from_millis(5)).await;
                return Err(error);
            }
        };
        let mut deliveries = bus.subscribe(&self.queue).await?;
        if self.fault == fault::SKIPS_ONE_AFTER_A_KILL {
            deliveries.next().await?.acknowledge().await?;
        }
        self.deliveries = Some(deliveries);
        self.kills = kills;
        Ok(())
    }

    async fn receive(&mut self) -> Result<Received, BusError> {
        let killed = self.server.killed.listen();
        if self.is_shut
            || (self.kills != self.server.kills() && self.fault == fault::NEVER_RECONNECTS)
        {
            return pending().await;
        }
        let Some(deliveries) = &mut self.deliveries else {
            return Err(unavailable("receive"));
        };
        if self.kills == self.server.kills()
            && let Either::Left((received, _)) = select(pin!(deliveries.next()), killed).await
        {
            return received;
        }
        self.connect().await?;
        Err(unavailable("receive"))
    }
}

impl Deliveries for Line {
    async fn next(&mut self) -> Result<Received, BusError> {
        loop {
            if self.deliveries.is_none() {
                self.connect().await?;
            }
            let received = self.receive().await?;
            let is_redelivered = match self.fault {
                fault::NEVER_SAYS_REDELIVERED => false,
                fault::ALWAYS_SAYS_REDELIVERED => true,
                _ => received.is_redelivered,
            };
            let (mut content, settle) = received.into_parts();
            let message = content.as_ref().ok().cloned();
            if let Err(foreign) = &mut content {
                match self.fault {
                    fault::FAILS_AT_STRANGERS => {
                        let (location, reason) = ("a model".to_owned(), foreign.reason.clone());
                        return Err(BusError::Unusable { location, reason });
                    }
                    fault::FORGETS_WHAT_STRANGERS_SAID => foreign.payload.clear(),
                    _ => {}
                }
            }
            let (Ok(Message { payload, .. }) | Err(ForeignMessage { payload, .. })) = &content;
            let is_large = payload.len() >= 1 << 20;
            let mut settling = Settling {
                fault: self.fault,
                is_large,
                server: self.server.clone(),
                kills: self.kills,
                message,
                settle: Some(settle),
                forgotten: self.forgotten.clone(),
            };
            match (self.fault, &settling.message) {
                (fault::ACKNOWLEDGES_AT_ONCE, _) => settling.acknowledge(),
                (fault::LOSES_WHEN_NOBODY_WAITS, _) => {
                    settling.acknowledge();
                    Delay::new(Duration::from_millis(1)).await;
                }
                (fault::GIVES_UP_AFTER_TEN, Some(message))
                    if self.server.delivered(&message.id) > 10 =>
                {
                    settling.acknowledge();
                    continue;
                }
                _ => {}
            }
            return Ok(Received::new(content, is_redelivered, settling));
        }
    }
}

struct Settling {
    fault: u8,
    server: Arc<Server>,
    kills: u64,
    message: Option<Message>,
    is_large: bool,
    settle: Option<Box<dyn Settle>>,
    forgotten: Arc<Mutex<Vec<Box<dyn Settle>>>>,
}

impl Settling {
    fn acknowledge(&mut self) {
        if let Some(settle) = self.settle.take() {
            let _ = settle.settle(Verdict::Acknowledge).now_or_never();
        }
    }

    /// Publishes the message once more.
    fn put(&self) {
        if let Some(message) = &self.message {
            put(&self.server.bus(), message.clone());
        }
    }

    async fn done(&mut self, verdict: Verdict) -> Result<(), BusError> {
        let is_late = self.kills != self.server.kills();
        assert!(
            !is_late || self.fault != fault::PANICS_AT_LATE_VERDICTS,
            "it is late"
        );
        let Some(settle) = self.settle.take() else {
            return Ok(());
        };
        if is_late {
            return Err(unavailable("settle a message"));
        }
        let verdict = match (self.fault, verdict) {
            (fault::FORGETS_VERDICTS, _) => {
                self.forgotten.lock().unwrap().push(settle);
                return Ok(());
            }
            (fault::FORGETS_REASONS, Verdict::SetAside { .. }) => Verdict::SetAside {
                reason: String::new(),
            },
            (fault::KEEPS_NOTHING_LARGE_ASIDE, Verdict::SetAside { .. }) if self.is_large => {
                return Err(unavailable("set a message aside"));
            }
            (fault::KEEPS_NOTHING_ASIDE, _) => Verdict::Acknowledge,
            (fault::SETS_ASIDE_AND_DELIVERS, verdict @ Verdict::SetAside { .. }) => {
                self.put();
                verdict
            }
            (_, verdict) => verdict,
        };
        settle.settle(verdict).await
    }
}

impl Settle for Settling {
    fn settle(
        mut self: Box<Self>,
        verdict: Verdict,
    ) -> Pin<Box<dyn Future<Output = Result<(), BusError>> + Send>> {
        Box::pin(async move { self.done(verdict).await })
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        if self.settle.is_none() {
            return;
        }
        match self.fault {
            fault::LOSES_WHAT_IS_DROPPED => self.acknowledge(),
            fault::PUTS_BACK_AT_THE_END => {
                self.acknowledge();
                self.put();
            }
            _ => {}
        }
    }
}
