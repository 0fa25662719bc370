//! Errors of the server, as errors of `midgard`.

use crate::options::PostgresOptions;
use midgard::store::{Full, StoreError};
use std::error::Error as StdError;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// Why work was not done. Each of the appends that failed together gets an error of its own from it.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The server cannot be reached.
    Unreachable(String),
    /// The connection was lost before anything could be committed.
    Lost(String),
    /// The connection was lost while the commit was on its way.
    Unknown(String),
    /// The disk of the server is full.
    Full,
    /// The server refused it.
    Refused {
        action: &'static str,
        reason: String,
    },
    /// The server asks to run the transaction again.
    Again(String),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(reason) | Failure::Lost(reason) => {
                StoreError::Unreachable { reason }
            }
            Failure::Unknown(reason) => StoreError::OutcomeUnknown { reason },
            Failure::Full => StoreError::Full(Full::Disk),
            Failure::Refused { action, reason } => StoreError::Backend {
                action,
                cause: reason.into(),
            },
            Failure::Again(reason) => StoreError::Backend {
                action: "commit",
                cause: format!(
                    "other transactions were in the way each time; try again ({reason})"
                )
                .into(),
            },
        }
    }
}

/// Returns what failed while a connection was made.
pub(crate) fn connecting(options: &PostgresOptions, error: &Error) -> Failure {
    let (user, database) = options
        .address
        .as_ref()
        .map_or(("", ""), |address| (address.user(), address.database()));
    let location = options.location();
    let refused = |reason| Failure::Refused {
        action: "log in",
        reason,
    };
    let Some(refusal) = error.as_db_error() else {
        let text = with_sources(error);
        return match error.source() {
            Some(source) if source.is::<std::io::Error>() => Failure::Unreachable(format!(
                "{location} does not answer ({text}); check that the server runs, and that the address is right"
            )),
            // The library checks the login itself: a password that is missing, TLS that the server does not have.
            _ => refused(format!(
                "{location}: {text}; check the address and the password"
            )),
        };
    };
    match *refusal.code() {
        SqlState::INVALID_PASSWORD => refused(format!(
            "{location} did not accept the password of the user \"{user}\"; check the password, and open the store again with the right one"
        )),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => refused(format!(
            "{location} does not let the user \"{user}\" in: {}; check pg_hba.conf of the server, and whether it insists on TLS",
            refusal.message()
        )),
        SqlState::INVALID_CATALOG_NAME => refused(format!(
            "{location} has no database \"{database}\"; create it, or correct the address"
        )),
        SqlState::TOO_MANY_CONNECTIONS => Failure::Unreachable(format!(
            "{location} has no connection left ({}); lower `with_max_connections` of its programs, or raise max_connections of the server",
            refusal.message()
        )),
        _ => failure("connect", error),
    }
}

/// Returns what failed before anything could be committed.
pub(crate) fn failure(action: &'static str, error: &Error) -> Failure {
    if is_lost(error) {
        return Failure::Lost(format!(
            "the connection was lost ({}); try again when the server is back",
            with_sources(error)
        ));
    }
    let reason = with_sources(error);
    let Some(code) = error.code() else {
        return Failure::Refused { action, reason };
    };
    let reason = match code {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
            return Failure::Again(reason);
        }
        &SqlState::DISK_FULL => return Failure::Full,
        &SqlState::INSUFFICIENT_PRIVILEGE => format!(
            "{reason}; give the role the rights that the schema file of midgard-store-postgres lists"
        ),
        &SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME => {
            format!("{reason}; the tables of the store are not there: was the schema dropped?")
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => format!(
            "{reason}; the server only reads, as a standby does: give the addresses of all servers, with target_session_attrs=read-write"
        ),
        &SqlState::UNIQUE_VIOLATION => {
            format!("{reason}; something other than midgard wrote to the tables of the store")
        }
        _ => reason,
    };
    Failure::Refused { action, reason }
}

pub(crate) fn store_error(action: &'static str, error: &Error) -> StoreError {
    failure(action, error).into()
}

/// Returns what failed while a commit was on its way.
pub(crate) fn committing(error: &Error) -> Failure {
    // What the server says about a transaction, it says when that is undone.
    let is_undone = error.as_db_error().is_some() && !is_lost(error);
    if is_undone && error.code() != Some(&SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN) {
        return failure("commit", error);
    }
    Failure::Unknown(with_sources(error))
}

/// Returns whether the connection was lost, or the server ends it.
pub(crate) fn is_lost(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            let ends = [
                &SqlState::ADMIN_SHUTDOWN,
                &SqlState::CRASH_SHUTDOWN,
                &SqlState::CANNOT_CONNECT_NOW,
                &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                &SqlState::TOO_MANY_CONNECTIONS,
            ];
            ends.contains(&code) || code.code().starts_with("08")
        }
        None => {
            error.is_closed()
                || error
                    .source()
                    .is_some_and(<dyn StdError>::is::<std::io::Error>)
        }
    }
}

/// Returns the error as text, with what the server says.
fn with_sources(error: &Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return said(refusal);
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

fn said(refusal: &DbError) -> String {
    let detail = refusal.detail().map(|detail| format!(" ({detail})"));
    let code = refusal.code().code();
    format!(
        "{} [{code}]{}",
        refusal.message(),
        detail.unwrap_or_default()
    )
}
