//! The relay to a bus within the process, whose receiver does nothing.

use super::outgoing::Outgoing;
use crate::contest::{median, rounds};
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use midgard::bus::{Deliveries, InProcessBus, Message, Queue, Subscriber};
use tokio::runtime::Runtime;

pub(super) fn measure(bench: &Bench, runtime: &Runtime, outgoing: &Outgoing) -> Outcome<Line> {
    let mut turns = 0;
    let [rates] = rounds(
        bench.rounds,
        [&mut || {
            turns += 1;
            let bus = InProcessBus::new();
            let topics = outgoing.messages.first().map(Message::topic);
            let queue = Queue::new("relayed", topics).with_in_flight(256);
            let mut deliveries = runtime.block_on(bus.subscribe(&queue))?;
            let receiving = runtime.spawn(async move {
                while let Ok(received) = deliveries.next().await {
                    if received.acknowledge().await.is_err() {
                        break;
                    }
                }
            });
            let rate = outgoing.relay(runtime, &format!("in-process-{turns}"), bus)?;
            receiving.abort();
            Ok(rate)
        }],
    )?;
    let (name, rate) = ("relay, in process", median(&rates));
    Ok(Line::alone(name, "events/s", rate, &rates, Asked::Nothing)
        .note("confirmed when a receiver that does nothing has acknowledged it"))
}
