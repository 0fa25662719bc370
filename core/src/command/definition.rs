//! Commands to other services, as messages.

use crate::event::codec::DecodeReason;
use crate::event::{EncodedRef, Event};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A command that one service sends to another, over a bus.
///
/// Implement it with the derive of the same name. The service that it is for has an [`Inbox`](crate::Inbox) with
/// a [`Handle`](crate::Handle) of it, and answers with its reply, or refuses.
///
/// ```
/// use midgard::{Event, RemoteCommand};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "credit.reserve", service = "customers", key = customer, reply = CreditReserved)]
/// struct ReserveCredit { customer: u32, order: u64, cents: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "credit.reserved")]
/// struct CreditReserved { cents_left: u64 }
///
/// assert_eq!((ReserveCredit::NAME, ReserveCredit::SERVICE), ("credit.reserve", "customers"));
/// ```
///
/// # A new version of a command
///
/// Commands stay in the log, and in the history of the processes that have sent them. So they change as
/// [events](Event#a-new-version-of-an-event) do: keep the old struct, give the new one the next version, and say how to come
/// from the old one. When the new version is answered with another type, say also how to come from the old reply,
/// as answers to what was sent before are still on their way.
///
/// ```
/// # use midgard::{Done, Event, RemoteCommand};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(name = "credit.reserve", service = "customers")]
/// struct ReserveCreditV1 { customer: u32, dollars: u64 }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
/// #[remote_command(
///     name = "credit.reserve", version = 2, upcast_from = ReserveCreditV1, service = "customers", reply = CreditReserved
/// )]
/// struct ReserveCredit { customer: u32, cents: u64 }
///
/// impl From<ReserveCreditV1> for ReserveCredit {
///     fn from(old: ReserveCreditV1) -> Self {
///         ReserveCredit { customer: old.customer, cents: old.dollars * 100 }
///     }
/// }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "credit.reserved")]
/// struct CreditReserved { cents_left: Option<u64> }
///
/// impl From<Done> for CreditReserved {
///     fn from(_: Done) -> Self { CreditReserved { cents_left: None } }
/// }
/// ```
///
/// The service that handles a command is to know a new version before others send it: what it does not know is parked
/// there until it does. It reads all earlier ones, and answers those with the newest reply that it knows. So of a new
/// reply, those who send are to know first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command that can be sent",
    label = "this type does not implement `RemoteCommand`",
    note = "add `#[derive(RemoteCommand)]` and `#[remote_command(name = \"..\", service = \"..\")]` to `{Self}`"
)]
// What serde needs is not above it: the compiler would say of a struct without it that it lacks it at each of its
// handlers.
pub trait RemoteCommand: Send + Sync + Sized + 'static {
    /// The name in messages.
    const NAME: &'static str;
    /// The version that this type writes, counted from 1. It reads the earlier ones, too.
    const VERSION: u32;
    /// The service that it is for: the name of its inbox.
    const SERVICE: &'static str;
    /// What it is answered with; [`Done`] when nothing more is to be said.
    type Reply: Event;

    /// The key within which it stays in order. Without one, that of who sends it.
    fn key(&self) -> Option<Cow<'_, str>>;

    #[doc(hidden)]
    fn __serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads any version from the first one up to [`Self::VERSION`], upcasting one step at a time.
    #[doc(hidden)]
    fn __deserialize_version<'de, D: Deserializer<'de>>(
        version: u32,
        deserializer: D,
    ) -> Result<Self, D::Error>;
    /// Reads what it is answered with.
    #[doc(hidden)]
    fn __read_reply(reply: &EncodedRef<'_>) -> Result<Self::Reply, DecodeReason> {
        if reply.name == Self::Reply::NAME {
            reply.read()
        } else {
            Err(DecodeReason::UnknownEvent)
        }
    }
    #[doc(hidden)]
    fn __fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// The reply to a command that has none of its own: it was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.done", crate = crate)]
pub struct Done {}

/// That a command was refused: an answer, and no failure. Whoever handles it returns this as its error, and whoever has
/// sent it is told.
///
/// ```
/// use midgard::{HandlerError, Refused};
///
/// fn check(open: bool) -> Result<(), HandlerError> {
///     if open { Ok(()) } else { Err(Refused::new("the shop is closed").into()) }
/// }
/// # assert_eq!(check(false).unwrap_err().to_string(), "the shop is closed");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error, crate::Event)]
#[event(name = "midgard.refused", crate = crate)]
#[error("{reason}")]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub reason: String,
}

impl Refused {
    /// A refusal with its reason, in words for who asked.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Refused {
            reason: reason.into(),
        }
    }
}
