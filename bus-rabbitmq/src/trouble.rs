//! A failure, before it becomes the error of a caller.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use midgard::bus::BusError;

/// A failure. Several callers may wait for the same operation and get it.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// Retrying may help.
    Unavailable { action: &'static str, cause: Cause },
    /// Retrying does not help.
    Unusable { reason: String },
    /// The broker would never accept the message of this index.
    Refused { index: usize, reason: String },
    /// The broker accepted only this many of the first messages. Of those, these are in no queue.
    Full {
        confirmed: usize,
        unheard: Vec<usize>,
        reason: String,
    },
}

#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Client(#[from] lapin::Error),
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    /// Wraps an error of the client.
    pub(crate) fn new(action: &'static str, error: lapin::Error) -> Self {
        match reason(&error) {
            Some(reason) => Trouble::Unusable { reason },
            None => Trouble::Unavailable {
                action,
                cause: error.into(),
            },
        }
    }

    pub(crate) fn unavailable(action: &'static str, cause: impl Into<String>) -> Self {
        let cause = Cause::Other(cause.into());
        Trouble::Unavailable { action, cause }
    }

    pub(crate) fn unusable(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Trouble::Unusable { reason }
    }

    /// Returns whether the broker reports a failure of its own.
    pub(crate) fn is_of_the_broker(&self) -> bool {
        let Trouble::Unavailable { cause, .. } = self else {
            return false;
        };
        let internal = AMQPErrorKind::Hard(AMQPHardError::INTERNALERROR);
        matches!(cause, Cause::Client(error)
            if matches!(error.kind(), ErrorKind::ProtocolError(said) if *said.kind() == internal))
    }

    /// Returns the error for users.
    pub(crate) fn at(self, location: &str) -> BusError {
        let location = location.to_owned();
        match self {
            Trouble::Unavailable { action, cause } => BusError::Unavailable {
                location,
                action,
                cause: match cause {
                    Cause::Client(error) => Box::new(error),
                    Cause::Other(_) => Box::new(cause),
                },
            },
            // Only a publisher of messages knows them by their index.
            Trouble::Unusable { reason } | Trouble::Refused { reason, .. } => {
                BusError::Unusable { location, reason }
            }
            Trouble::Full {
                confirmed,
                unheard,
                reason,
            } => BusError::Full {
                location,
                confirmed,
                unheard,
                reason,
            },
        }
    }
}

/// Returns why retrying would not help, and the next step; `None` when it may help.
fn reason(error: &lapin::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            let said = error.get_message();
            match error.kind() {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Some(format!(
                    "the broker refuses access ({said}); check the user, the password, and the rights of the user to configure, write and read"
                )),
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Some(format!(
                    "the broker does not allow it ({said}); check the virtual host in the address, and whether the user may use it"
                )),
                _ => None,
            }
        }
        ErrorKind::InvalidProtocolVersion(_) => Some(format!(
            "the server is not a RabbitMQ broker ({error}); check the address"
        )),
        ErrorKind::IOError(io) if io.kind() == std::io::ErrorKind::InvalidData => Some(format!(
            "no encrypted connection can be made ({io}); check the certificate authority and the name in the address"
        )),
        _ => None,
    }
}

/// Returns the largest payload that the broker accepts, when it reports one as too large: "message size 17 larger
/// than configured max size 16".
pub(crate) fn largest_message(error: &lapin::Error) -> Option<usize> {
    let ErrorKind::ProtocolError(said) = error.kind() else {
        return None;
    };
    let said = said.get_message().as_str();
    if !is(error, AMQPSoftError::PRECONDITIONFAILED) || !said.contains("message size") {
        return None;
    }
    let (_, largest) = said.rsplit_once("max size ")?;
    let digits = largest.find(|c: char| !c.is_ascii_digit());
    largest[..digits.unwrap_or(largest.len())].parse().ok()
}

/// Returns the error of a declaration that differs from what exists.
pub(crate) fn declared_differently(what: &str, name: &str, error: lapin::Error) -> Trouble {
    if let ErrorKind::ProtocolError(said) = error.kind()
        && is(&error, AMQPSoftError::PRECONDITIONFAILED)
    {
        let said = said.get_message();
        return Trouble::unusable(format!(
            "the {what} \"{name}\" exists with other settings ({said}); delete it when it is empty, or use another name or prefix, or use the settings that it was created with"
        ));
    }
    Trouble::new("declare a queue", error)
}

/// Returns whether the error is that something does not exist.
pub(crate) fn is_not_found(error: &lapin::Error) -> bool {
    is(error, AMQPSoftError::NOTFOUND)
}

fn is(error: &lapin::Error, soft: AMQPSoftError) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(said) if *said.kind() == AMQPErrorKind::Soft(soft))
}
