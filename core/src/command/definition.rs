//! Commands to other services, as messages.

use crate::event::codec::DecodeReason;
use crate::event::{EncodedRef, Event};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A command that one service sends to another, over a bus.
///
/// Implement it with the derive of the same name. The receiving service has an [`Inbox`](crate::Inbox) with a
/// [`Handle`](crate::Handle) of the command, and answers with its reply, or refuses it.
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
/// [events](Event#a-new-version-of-an-event) do: keep the old struct, give the new one the next version, and implement the
/// conversion from the old one. If the new version has another reply type, implement the conversion from the old reply,
/// too, as answers to earlier commands are still on their way.
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
/// Deploy a new version to the service that handles the command before others send it: a service parks the versions that it
/// does not know yet. It reads all earlier ones, and answers those with the newest reply that it knows. So deploy
/// a new reply to the senders first.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command that can be sent",
    label = "this type does not implement `RemoteCommand`",
    note = "add `#[derive(RemoteCommand)]` and `#[remote_command(name = \"..\", service = \"..\")]` to `{Self}`"
)]
// No serde supertraits: rustc would then report their absence at every handler.
pub trait RemoteCommand: Send + Sync + Sized + 'static {
    /// The name in messages.
    const NAME: &'static str;
    /// The version that this type writes, counted from 1. It reads the earlier ones, too.
    const VERSION: u32;
    /// The service that handles the command: the name of its inbox.
    const SERVICE: &'static str;
    /// The reply type; [`Done`] for a command that needs no reply of its own.
    type Reply: Event;

    /// Returns the key within which it stays in order. Without one, the sender's is used.
    fn key(&self) -> Option<Cow<'_, str>>;

    #[doc(hidden)]
    fn __serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
    /// Reads any version from the first one up to [`Self::VERSION`], upcasting one step at a time.
    #[doc(hidden)]
    fn __deserialize_version<'de, D: Deserializer<'de>>(
        version: u32,
        deserializer: D,
    ) -> Result<Self, D::Error>;
    /// Reads the reply.
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

/// The reply to a command without a reply type of its own: the command is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.done", crate = crate)]
pub struct Done {}

/// The refusal of a command: an answer, not a failure. A handler returns it as its error, and it is sent to the sender of
/// the command.
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
    /// Creates a refusal with its reason, in words for the sender.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Refused {
            reason: reason.into(),
        }
    }
}
