//! Running consumers of a program, and why they ended.

use crate::consumer::status::{ConsumerKind, Status};
use crate::place::Place;
use std::pin::Pin;
use std::time::Duration;

/// A consumer, running.
pub(crate) type RunningConsumer = Pin<Box<dyn Future<Output = Result<(), RunError>> + Send>>;

/// Why a program's consumers ended without being stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Two consumers have one name.
    #[error(
        "the {kind} \"{name}\" has the name of another consumer of this program; give one of them another name{}",
        if *kind == ConsumerKind::Outbox { ", with `Outbox::named`" } else { "" }
    )]
    DuplicateName {
        /// The kind of the second one.
        kind: ConsumerKind,
        /// The name.
        name: String,
    },
    /// A name cannot be used.
    #[error(
        "\"{name}\" cannot be the name of a {kind}: a name has 1 to 100 bytes, without slashes; give it another"
    )]
    Name {
        /// What it is.
        kind: ConsumerKind,
        /// The name.
        name: String,
    },
    /// A process manager sends commands, but has no bus over which answers could come.
    #[error(
        "process manager \"{name}\" sends commands, and no answer could reach it; say over which bus they come, with `Processes::replies_from`"
    )]
    NoReplies {
        /// The process manager.
        name: String,
    },
    /// There is something to send, but nothing takes it out of the log.
    #[error(
        "{kind} \"{name}\" {} out of the log; add an outbox with `Midgard::outbox`, or say with `Midgard::outbox_elsewhere` that another program on this store has one",
        if *kind == ConsumerKind::Inbox { "answers commands, and nothing takes the answers" } else { "sends commands, and nothing takes them" }
    )]
    NoOutbox {
        /// What has something to send.
        kind: ConsumerKind,
        /// Its name.
        name: String,
    },
    /// Consumers did not end in time after they were told to stop, and were dropped where they were.
    #[error(
        "{limit:?} after they were told to stop, these consumers had not ended, and were dropped where they were: {}; see what they wait for, and set a `handler_timeout`, or a longer `Midgard::stop_within`",
        consumers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    NotStopped {
        /// How long the program waited for them.
        limit: Duration,
        /// The status of each. [`Status::handling`] shows what it was working on.
        consumers: Vec<Status>,
    },
    /// The spawner did not run a consumer to its end.
    #[error(
        "{kind} \"{name}\" did not come to its end: {reason}; let the function given to `Midgard::spawner` run each future until it is done"
    )]
    Dropped {
        /// What it is.
        kind: ConsumerKind,
        /// Its name.
        name: String,
        /// What happened to it.
        reason: String,
    },
    /// There is no task that runs the program.
    #[error(
        "the program was not run: the function given to `Midgard::start` {reason}; start it within the runtime of the tasks"
    )]
    NotSpawned {
        /// What happened to the function.
        reason: String,
    },
    /// The number of partitions is invalid.
    #[error("subscription \"{name}\" has {partitions} partitions: {reason}")]
    Partitions {
        /// The subscription.
        name: String,
        /// The number it has in this program.
        partitions: u32,
        /// Why it is invalid, and what to do.
        reason: String,
    },
    /// An outbox is new on a store that already had another one.
    #[error("outbox \"{name}\" does not begin: {reason}")]
    NewOutbox {
        /// The outbox.
        name: String,
        /// Which others the store had, and what to do.
        reason: String,
    },
    /// The id of a bus cannot be used.
    #[error(
        "\"{id}\" cannot be the id of the bus of outbox \"{name}\": an id has 1 to 100 bytes, without slashes; give it another"
    )]
    BusId {
        /// The outbox.
        name: String,
        /// The id.
        id: String,
    },
    /// A handler failed for good, and its policy is to stop; or the whole consumer failed.
    #[error(
        "{kind} \"{name}\" stopped{}: {message}{}",
        place.map_or_else(String::new, |place| format!(" before position {place}")),
        place.map_or("", |_| "; mend the handler and start it again, or let its policy skip or park")
    )]
    Failed {
        /// What it is.
        kind: ConsumerKind,
        /// Its name.
        name: String,
        /// The place of the event, if it failed on one.
        place: Option<Place>,
        /// What went wrong.
        message: String,
    },
}
