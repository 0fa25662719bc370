//! What an error means to the one who asked, whichever part of a program it comes from.

use std::fmt::{self, Display};

/// What an error means to a client, and whether the client may try again. [`Classify::kind`] returns it.
///
/// A service matches on it once, and turns each kind into a status of its protocol; [the guide](crate::guide::web_service) shows
/// the status codes of HTTP.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum ErrorKind<'a> {
    /// The command was rejected, for this reason: it would be rejected again. Nothing was done.
    Rejected(&'a dyn Display),
    /// The request cannot be right as it is: an id, a key or a value is empty or too long, or a cursor does not fit. Nothing was
    /// done.
    Invalid,
    /// Others changed the same thing on every try. Nothing was done, and the same request may succeed.
    Conflict,
    /// The stream was ended for good. Nothing was done.
    Gone,
    /// The store has no room. Nothing was done, and the same request succeeds once there is room.
    Full,
    /// The service is not ready: the views have not been built yet, or a connection is down. Nothing was done, and the same
    /// request succeeds later.
    Unavailable,
    /// It was done, but the views do not show it yet. It must not be repeated.
    NotShown,
    /// It is not known whether it was done. It may be repeated under the same key, as
    /// [`execute_once`](crate::Repository::execute_once) takes it.
    OutcomeUnknown,
    /// The service fails, and the client can do nothing about it. The error's text is for the log.
    Internal,
}

impl fmt::Debug for ErrorKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::Rejected(reason) => write!(f, "Rejected({reason})"),
            ErrorKind::Invalid => f.write_str("Invalid"),
            ErrorKind::Conflict => f.write_str("Conflict"),
            ErrorKind::Gone => f.write_str("Gone"),
            ErrorKind::Full => f.write_str("Full"),
            ErrorKind::Unavailable => f.write_str("Unavailable"),
            ErrorKind::NotShown => f.write_str("NotShown"),
            ErrorKind::OutcomeUnknown => f.write_str("OutcomeUnknown"),
            ErrorKind::Internal => f.write_str("Internal"),
        }
    }
}

/// Tells what an error means to the one who asked.
///
/// All errors implement it that a handler of requests meets, so that one conversion is enough for all of them:
///
/// ```
/// use midgard::error::{Classify, ErrorKind};
/// use std::fmt::Display;
///
/// struct Answer { status: u16, text: String }
///
/// impl<E: Classify + Display> From<E> for Answer {
///     fn from(error: E) -> Self {
///         let (status, text) = match error.kind() {
///             ErrorKind::Rejected(reason) => (422, reason.to_string()),
///             ErrorKind::Conflict => (409, "others were faster; try again".to_owned()),
///             ErrorKind::NotShown => (202, "it is done, and shown soon".to_owned()),
///             _ => (500, "the service failed".to_owned()),
///         };
///         Answer { status, text }
///     }
/// }
///
/// # fn handle(views: &midgard::Views) -> Result<(), Answer> {
/// views.snapshot()?;
/// # Ok(())
/// # }
/// ```
pub trait Classify {
    /// Returns what the error means.
    fn kind(&self) -> ErrorKind<'_>;
}
