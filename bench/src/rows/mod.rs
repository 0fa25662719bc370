//! The rows of the table, a module for each subject.

mod append;
mod bulk;
mod check_time;
mod delivery;
mod disk;
mod filled;
mod grown;
mod growth;
mod growth_raw;
mod import;
mod live;
mod load;
mod long_stream;
mod orders;
mod producers;
mod project;
mod queued;
mod relay;
mod scan;
mod tagged;
mod tagged_growth;
#[cfg(feature = "umadb")]
mod tagged_peers;

pub(crate) use live::append_and_print;

use crate::table::Line;
use crate::{Bench, Outcome};
use clap::ValueEnum;

/// A row of the table. Some have several lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// The shop's import, 256 commands in flight.
    Import,
    /// Durable appends of one producer.
    #[value(name = "append-1")]
    Append1,
    /// Durable appends of 64 producers.
    #[value(name = "append-64")]
    Append64,
    /// Durable appends of 256 producers.
    #[value(name = "append-256")]
    Append256,
    /// Durable appends of 1,000 events each.
    Bulk,
    /// Loading an aggregate of 100 events.
    #[value(name = "load-100")]
    Load100,
    /// Reading a part of a stream of a million events.
    LongStream,
    /// Reading the log.
    Scan,
    /// Appends with a condition on a tag, and reads by tag.
    Tagged,
    /// The same in UmaDB.
    #[cfg(feature = "umadb")]
    TaggedPeers,
    /// Projections that catch up.
    Project,
    /// How soon an event is delivered.
    Live,
    /// An outbox that publishes to RabbitMQ.
    RelayRabbitmq,
    /// An outbox that publishes to NATS.
    RelayNats,
    /// An outbox that publishes within the process.
    RelayInProcess,
    /// How soon an event is handled in another service.
    Delivery,
    /// Bytes on disk for an event.
    Disk,
    /// The cost of a store with 10^5, 10^6 and 10^7 events.
    Growth,
    /// The cost of conditions and reads by tag with 10^5 and 10^7 events.
    TaggedGrowth,
    /// `cargo check` of 100 events.
    CheckTime,
}

impl Row {
    /// Every row.
    pub(crate) fn all() -> &'static [Row] {
        Row::value_variants()
    }

    pub(crate) fn measure(self, bench: &Bench) -> Outcome<Vec<Line>> {
        match self {
            Row::Import => import::measure(bench),
            Row::Append1 => append::measure(bench, 1),
            Row::Append64 => append::measure(bench, 64),
            Row::Append256 => append::measure(bench, 256),
            Row::Bulk => bulk::measure(bench),
            Row::Load100 => load::measure(bench),
            Row::LongStream => long_stream::measure(bench),
            Row::Scan => scan::measure(bench),
            Row::Tagged => tagged::measure(bench),
            #[cfg(feature = "umadb")]
            Row::TaggedPeers => tagged_peers::measure(bench),
            Row::Project => project::measure(bench),
            Row::Live => live::measure(bench),
            Row::RelayRabbitmq => relay::to_rabbitmq(bench),
            Row::RelayNats => relay::to_nats(bench),
            Row::RelayInProcess => relay::in_process(bench),
            Row::Delivery => delivery::measure(bench),
            Row::Disk => disk::measure(bench),
            Row::Growth => growth::measure(bench),
            Row::TaggedGrowth => tagged_growth::measure(bench),
            Row::CheckTime => check_time::measure(bench),
        }
    }
}
