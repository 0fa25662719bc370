//! What can go wrong with views in SQLite.

use sqlx::error::DatabaseError;
use std::path::PathBuf;
use std::time::Duration;

/// Why a database of views could not be used. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// Someone else writes for too long.
    #[error(
        "another connection has been writing to {} for more than {patience:?}; let it commit, or wait longer for it",
        file.display()
    )]
    Busy {
        /// The database.
        file: PathBuf,
        /// For how long its lock was waited for.
        patience: Duration,
    },
    /// The database refused something.
    #[error("{} could not be used: {cause}", file.display())]
    Database {
        /// The database.
        file: PathBuf,
        /// Why.
        cause: sqlx::Error,
    },
}

/// SQLite's code for a lock that someone else holds. The more exact codes have it in their last byte.
const BUSY: u32 = 5;

/// Whether it was a lock that someone else holds.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xFF == BUSY)
}
