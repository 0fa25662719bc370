//! Real message brokers and databases on loopback, for tests, examples and the bench.
//!
//! ```no_run
//! # fn main() -> Result<(), midgard_test_servers::ServerError> {
//! use midgard_test_servers::RabbitMq;
//!
//! let mut broker = RabbitMq::start()?;
//! println!("{}", broker.address()); // amqp://guest:guest@127.0.0.1:21673/%2f
//! broker.kill();
//! broker.restart()?; // the same port and the same data
//! # Ok(())
//! # }
//! ```
//!
//! Each server has its own ports, directory and names, so many run side by side and alongside one that the machine
//! already has. No server outlives the program that started it: not when its handle is dropped, and not when the
//! program is killed.
//!
//! `scripts/setup` installs the servers. In a test use [`rabbitmq`], [`nats`] and the others of [`for_tests`], which skip
//! the test on a machine without them. Where many tests can use one server, use [`shared_rabbitmq`], [`shared_nats`] or
//! [`shared_postgres`]; where each kills it, [`lent_rabbitmq`].
//!
//! Everything here blocks, and it runs on Linux.

mod certificates;
mod error;
pub mod for_tests;
mod lent;
mod nats;
mod port;
mod postgres;
mod processes;
mod rabbitmq;
mod ready;

pub use error::ServerError;
pub use for_tests::{
    has_rabbitmq, lent_rabbitmq, nats, nats_with_tls, old_nats, postgres, postgres_with_tls,
    rabbitmq, rabbitmq_with_tls, shared_nats, shared_postgres, shared_rabbitmq,
};
pub use lent::LentRabbitMq;
pub use nats::Nats;
pub use postgres::Postgres;
pub use rabbitmq::RabbitMq;
