//! Errors of the server, as errors of views.

use midgard::store::StoreError;
use midgard::view::ViewError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Returns what makes an error of the server one of views.
pub(super) fn failed(action: &'static str) -> impl Fn(Error) -> ViewError {
    move |error| view_error(action, &error)
}

pub(super) fn view_error(action: &'static str, error: &Error) -> ViewError {
    let Some(said) = error.as_db_error() else {
        return crate::error::store_error(action, error).into();
    };
    let reason = || format!("{} [{}]", said.message(), said.code().code());
    match *said.code() {
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
            ViewError::Conflict { reason: reason() }
        }
        // The table was removed: readers were given another one.
        SqlState::UNDEFINED_TABLE => ViewError::Conflict { reason: reason() },
        SqlState::LOCK_NOT_AVAILABLE => StoreError::Backend {
            action,
            cause: format!(
                "{}; a query uses the view for longer than 3 s, and a switch to other rows waits until it is done: end it, or wait",
                reason()
            )
            .into(),
        }
        .into(),
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST => StoreError::Backend {
            action,
            cause: format!(
                "{}{}; views of your own depend on it: drop them, and create them again after the switch",
                reason(),
                said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default()
            )
            .into(),
        }
        .into(),
        // What rows break: their values, constraints that somebody has added, or limits of the server.
        ref code if ["22", "23", "54"].contains(&code.code().get(..2).unwrap_or_default()) => {
            let detail = said.detail().map(|detail| format!(" ({detail})"));
            ViewError::Refused {
                view: said.table().unwrap_or("that was written").to_owned(),
                key: "of one of the events".to_owned(),
                reason: format!("{}{}", reason(), detail.unwrap_or_default()),
            }
        }
        _ => crate::error::store_error(action, error).into(),
    }
}
