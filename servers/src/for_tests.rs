//! Servers for tests, which are skipped on a machine without them.
//!
//! ```no_run
//! # use midgard_test_servers as servers;
//! # fn a_message_survives_a_crash_of_the_broker() {
//! let Some(mut broker) = servers::rabbitmq("a_message_survives_a_crash_of_the_broker") else {
//!     return;
//! };
//! broker.kill();
//! # }
//! ```
//!
//! Each function takes the name of the test. Where the server is not installed it prints one line and returns `None`.
//! But if the environment variable `CI` is set it panics, so that nothing is skipped unseen where all must pass. It also
//! panics when the server is installed and does not start.

use crate::{Nats, RabbitMq, ServerError};
use std::io::Write;
use std::sync::OnceLock;

/// A RabbitMQ node of the test's own.
///
/// # Panics
/// When it does not start; when it is not installed and `CI` is set.
#[must_use]
#[track_caller]
pub fn rabbitmq(test: &str) -> Option<RabbitMq> {
    started(test, RabbitMq::start())
}

/// A RabbitMQ node of the test's own that also has a port for TLS.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn rabbitmq_with_tls(test: &str) -> Option<RabbitMq> {
    started(test, RabbitMq::start_with_tls())
}

/// The RabbitMQ node of all tests in this program that do not stop it. Give what a test declares there a name of its own.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn shared_rabbitmq(test: &str) -> Option<&'static RabbitMq> {
    static SHARED: OnceLock<Result<RabbitMq, ServerError>> = OnceLock::new();
    started(test, SHARED.get_or_init(RabbitMq::start).as_ref())
}

/// A NATS server of the test's own.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn nats(test: &str) -> Option<Nats> {
    started(test, Nats::start())
}

/// A NATS server of the test's own that accepts only TLS.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn nats_with_tls(test: &str) -> Option<Nats> {
    started(test, Nats::start_with_tls())
}

/// A NATS server of version 2.9, of the test's own.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn old_nats(test: &str) -> Option<Nats> {
    started(test, Nats::start_old())
}

/// The NATS server of all tests in this program that do not stop it. Give what a test declares there a name of its own.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn shared_nats(test: &str) -> Option<&'static Nats> {
    static SHARED: OnceLock<Result<Nats, ServerError>> = OnceLock::new();
    started(test, SHARED.get_or_init(Nats::start).as_ref())
}

#[track_caller]
fn started<S, E: std::borrow::Borrow<ServerError>>(test: &str, server: Result<S, E>) -> Option<S> {
    let error = match server {
        Ok(server) => return Some(server),
        Err(error) => error,
    };
    match error.borrow() {
        ServerError::Missing { what, .. }
            if std::env::var_os("CI").is_none_or(|ci| ci.is_empty()) =>
        {
            // Straight to the stream: the harness would keep what a test that passes prints.
            let line = format!("skipped: {test}: {what} is not installed (run scripts/setup)\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            None
        }
        error => panic!("{test}: {error}"),
    }
}
