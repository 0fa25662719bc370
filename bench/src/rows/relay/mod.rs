//! The speed at which an outbox publishes the log.

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
/// How many events there are, and how many where each waits for the disk.
const MANY: usize = 50_000;
const FEW: usize = 4000;

/// To RabbitMQ.
pub(crate) fn to_rabbitmq(bench: &Bench) -> Outcome<Vec<Line>> {
    let runtime = runtime()?;
    let outgoing = Outgoing::new(bench, &runtime, MANY)?;
    let samples = rabbitmq::contest(bench, &runtime, &outgoing)?;
    Ok(vec![line("relay, RabbitMQ", &outgoing, &samples)])
}

/// To NATS, with its defaults, and where each message is a write that the disk must confirm.
pub(crate) fn to_nats(bench: &Bench) -> Outcome<Vec<Line>> {
    let runtime = runtime()?;
    let many = Outgoing::new(bench, &runtime, MANY)?;
    let few = Outgoing::new(bench, &runtime, FEW)?;
    let samples = nats::contest(bench, &runtime, &many, &Nats::start_unsynced()?)?;
    let synced = nats::contest(bench, &runtime, &few, &Nats::start()?)?;
    Ok(vec![
        line("relay, NATS", &many, &samples),
        line("relay, NATS that syncs each write", &few, &synced),
    ])
}

/// To a bus within the process.
pub(crate) fn in_process(bench: &Bench) -> Outcome<Vec<Line>> {
    let runtime = runtime()?;
    let outgoing = Outgoing::new(bench, &runtime, MANY)?;
    Ok(vec![in_process::measure(bench, &runtime, &outgoing)?])
}

fn line(row: &str, outgoing: &Outgoing, (ours, raw): &(Samples, Samples)) -> Line {
    Line::new(row, "events/s", ours, raw, Asked::AtLeast(0.7)).note(outgoing.to_string())
}

/// As in programs that use a broker.
pub(super) fn runtime() -> Outcome<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}
