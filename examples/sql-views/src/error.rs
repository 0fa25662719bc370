//! Errors of views in SQLite.

use sqlx::error::DatabaseError;
use std::path::PathBuf;
use std::time::Duration;

/// The reason why a database of views could not be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// Another connection has been writing for too long.
    #[error(
        "another connection has been writing to {} for more than {patience:?}; let it commit, or wait longer for it",
        file.display()
    )]
    Busy {
        /// The database.
        file: PathBuf,
        /// How long the lock was waited for.
        patience: Duration,
    },
    /// The database refused something.
    #[error("{} could not be used: {cause}", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// The reason.
        cause: sqlx::Error,
    },
}

/// SQLite's code for a lock held by another connection. Extended codes have it in their last byte.
const BUSY: u32 = 5;

/// Returns whether the error is a lock held by another connection.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xFF == BUSY)
}
