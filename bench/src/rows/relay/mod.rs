//! How fast an outbox publishes what the log has.

mod in_process;
mod nats;
mod outgoing;
mod rabbitmq;

use crate::contest::{Samples, per_second};
use crate::table::{Asked, Line};
use crate::{Bench, Outcome};
use midgard_test_servers::Nats;
use outgoing::Outgoing;
use tokio::runtime::{Builder, Runtime};

/// How many messages the client by hand has on their way at once: as many as the relay.
const AT_ONCE: usize = 1024;

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let runtime = runtime()?;
    let many = Outgoing::new(bench, &runtime, 50_000)?;
    // Where each message is a write that the disk must confirm.
    let few = Outgoing::new(bench, &runtime, 4000)?;
    let line = |bus: &str, outgoing: &Outgoing, (ours, raw): (Samples, Samples)| {
        Line::new(
            format!("relay, {bus}"),
            "events/s",
            &ours,
            &raw,
            Asked::AtLeast(0.7),
        )
        .note(outgoing.to_string())
    };
    let rabbitmq = rabbitmq::contest(bench, &runtime, &many)?;
    let nats = nats::contest(bench, &runtime, &many, &Nats::start_unsynced()?)?;
    let synced = nats::contest(bench, &runtime, &few, &Nats::start()?)?;
    Ok(vec![
        line("RabbitMQ", &many, rabbitmq),
        line("NATS", &many, nats),
        line("NATS that syncs each write", &few, synced),
        in_process::measure(bench, &runtime, &many)?,
    ])
}

/// As programs have it that use a broker.
pub(super) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}
