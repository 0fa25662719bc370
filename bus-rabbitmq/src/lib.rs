//! A bus of [midgard] over RabbitMQ.

mod bus;
mod declared;
mod envelope;
mod link;
mod options;
mod publishing;
mod readable;
mod receiving;
mod settling;
mod topology;
mod transport;
mod trouble;

pub use bus::RabbitMqBus;
pub use options::RabbitMqOptions;
pub use receiving::RabbitMqDeliveries;
