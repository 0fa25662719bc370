//! The buses that can be picked, and the brokers that are started for them.

use midgard::bus::{BusError, DynBus, InProcessBus};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_test_servers::{Nats, RabbitMq, ServerError};

/// The transport of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BusKind {
    /// Nothing but memory: both services run in one process.
    InProcess,
    /// RabbitMQ.
    #[value(name = "rabbitmq")]
    RabbitMq,
    /// NATS with JetStream, 2.12 or newer.
    Nats,
}

/// Opens a bus. One over a broker is not connected yet: the broker may come later.
pub(crate) fn open(kind: BusKind, address: Option<&str>) -> Result<DynBus, BusError> {
    let address = address.unwrap_or_default();
    Ok(match kind {
        BusKind::InProcess => DynBus::new(InProcessBus::new()),
        BusKind::RabbitMq => DynBus::new(RabbitMqBus::new(RabbitMqBus::options(address))?),
        BusKind::Nats => DynBus::new(NatsBus::new(NatsOptions::new(address))),
    })
}

/// The program's own broker, on loopback.
pub(crate) enum Broker {
    RabbitMq(RabbitMq),
    Nats(Nats),
}

impl Broker {
    /// Starts the broker that a bus needs, if any.
    pub(crate) fn start(kind: BusKind) -> Result<Option<Self>, ServerError> {
        Ok(match kind {
            BusKind::InProcess => None,
            BusKind::RabbitMq => Some(Broker::RabbitMq(RabbitMq::start()?)),
            BusKind::Nats => Some(Broker::Nats(Nats::start()?)),
        })
    }

    pub(crate) fn address(&self) -> String {
        match self {
            Broker::RabbitMq(broker) => broker.address(),
            Broker::Nats(broker) => broker.address(),
        }
    }

    /// Kills it, as a power cut would, except that the disk is kept.
    pub(crate) fn kill(&mut self) {
        match self {
            Broker::RabbitMq(broker) => broker.kill(),
            Broker::Nats(broker) => broker.kill(),
        }
    }

    /// Restarts it, with the same data and address.
    pub(crate) fn restart(&mut self) -> Result<(), ServerError> {
        match self {
            Broker::RabbitMq(broker) => broker.restart(),
            Broker::Nats(broker) => broker.restart(),
        }
    }
}
