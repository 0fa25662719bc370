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
//! Each function takes the name of the test. If the server is not installed, it prints one line and returns `None`.
//! But if the environment variable `CI` is set, it panics, so that nothing is skipped unnoticed where all must pass.
//! It also panics when the server is installed and does not start.

use crate::{LentRabbitMq, Nats, Postgres, RabbitMq, ServerError};
use std::borrow::Borrow;
use std::error::Error;
use std::io::{self, Write};
use std::sync::OnceLock;

/// Starts a RabbitMQ node for this test alone.
///
/// # Panics
/// When it does not start; when it is not installed and `CI` is set.
#[must_use]
#[track_caller]
pub fn rabbitmq(test: &str) -> Option<RabbitMq> {
    started(test, RabbitMq::start())
}

/// Starts a RabbitMQ node for this test alone that also has a port for TLS.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn rabbitmq_with_tls(test: &str) -> Option<RabbitMq> {
    started(test, RabbitMq::start_with_tls())
}

/// Returns the RabbitMQ node of all tests in this program that do not stop it. Use unique names for everything that a
/// test declares there.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn shared_rabbitmq(test: &str) -> Option<&'static RabbitMq> {
    static SHARED: OnceLock<Result<RabbitMq, ServerError>> = OnceLock::new();
    started(test, SHARED.get_or_init(RabbitMq::start).as_ref())
}

/// Lends a RabbitMQ node to this test alone, which may kill it. When the test drops it, another test of this program gets
/// it; two are lent at the same time. Use unique names for everything that a test declares there, and undo what is set
/// for the whole node.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn lent_rabbitmq(test: &str) -> Option<LentRabbitMq> {
    started(test, LentRabbitMq::borrow())
}

/// Returns whether RabbitMQ is installed, for a test whose own program starts it.
///
/// # Panics
/// When it is not installed and `CI` is set.
#[must_use]
#[track_caller]
pub fn has_rabbitmq(test: &str) -> bool {
    started(test, RabbitMq::installed()).is_some()
}

/// Starts a NATS server for this test alone.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn nats(test: &str) -> Option<Nats> {
    started(test, Nats::start())
}

/// Starts a NATS server for this test alone that accepts only TLS.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn nats_with_tls(test: &str) -> Option<Nats> {
    started(test, Nats::start_with_tls())
}

/// Starts a NATS server of version 2.9 for this test alone.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn old_nats(test: &str) -> Option<Nats> {
    started(test, Nats::start_old())
}

/// Returns the NATS server of all tests in this program that do not stop it. Use unique names for everything that a
/// test declares there.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn shared_nats(test: &str) -> Option<&'static Nats> {
    static SHARED: OnceLock<Result<Nats, ServerError>> = OnceLock::new();
    started(test, SHARED.get_or_init(Nats::start).as_ref())
}

/// Starts a PostgreSQL server for this test alone, which never syncs.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn postgres(test: &str) -> Option<Postgres> {
    started(test, Postgres::start_unsynced())
}

/// Starts a PostgreSQL server for this test alone that accepts only TLS.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn postgres_with_tls(test: &str) -> Option<Postgres> {
    started(test, Postgres::start_with_tls())
}

/// Returns the PostgreSQL server of all tests in this program that do not stop it, which never syncs. Each test makes
/// a [database](Postgres::create_database) of its own there.
///
/// # Panics
/// As [`rabbitmq`].
#[must_use]
#[track_caller]
pub fn shared_postgres(test: &str) -> Option<&'static Postgres> {
    static SHARED: OnceLock<Result<Postgres, ServerError>> = OnceLock::new();
    started(test, SHARED.get_or_init(Postgres::start_unsynced).as_ref())
}

#[track_caller]
fn started<S, E: Borrow<ServerError>>(test: &str, server: Result<S, E>) -> Option<S> {
    let all_must_run = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty());
    // Straight to the stream, since the harness captures the output of passing tests.
    started_or_skipped(test, server, all_must_run, &mut io::stderr())
}

#[track_caller]
fn started_or_skipped<S, E: Borrow<ServerError>>(
    test: &str,
    server: Result<S, E>,
    all_must_run: bool,
    output: &mut impl Write,
) -> Option<S> {
    let error = match server {
        Ok(server) => return Some(server),
        Err(error) => error,
    };
    match error.borrow() {
        ServerError::Missing { what, .. } if !all_must_run => {
            let line = format!("skipped: {test}: {what} is not installed (run scripts/setup)\n");
            // If the line cannot be written, the test is skipped all the same.
            let _ = output.write_all(line.as_bytes());
            None
        }
        error => panic!("{test}: {}", with_sources(error)),
    }
}

fn with_sources(error: &ServerError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Result<(), ServerError> {
        Err(ServerError::Missing {
            what: "rabbitmq-server",
            looked_at: "/nowhere".to_owned(),
        })
    }

    #[test]
    fn a_server_that_started_is_given() {
        let started = Ok::<_, ServerError>("server");
        let mut output = Vec::new();
        let given = started_or_skipped("a test", started, true, &mut output);
        assert_eq!((given, output.as_slice()), (Some("server"), &b""[..]));
    }

    #[test]
    fn a_test_without_its_server_is_skipped() {
        let mut output = Vec::new();
        let given = started_or_skipped("a test", missing(), false, &mut output);
        assert_eq!(given, None);
        assert_eq!(
            String::from_utf8_lossy(&output),
            "skipped: a test: rabbitmq-server is not installed (run scripts/setup)\n"
        );
    }

    #[test]
    #[should_panic = "a test: rabbitmq-server is not installed (run scripts/setup); it was expected at /nowhere"]
    fn no_test_is_skipped_where_all_must_run() {
        started_or_skipped("a test", missing(), true, &mut Vec::new());
    }

    #[test]
    #[should_panic = "a test: nats-server cannot run: opening its log failed: no space"]
    fn a_server_that_cannot_run_is_never_skipped() {
        let error =
            ServerError::prepare("nats-server", "opening its log")(io::Error::other("no space"));
        started_or_skipped("a test", Err::<(), _>(error), false, &mut Vec::new());
    }
}
