//! Where messages wait for a receiver, and which.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;

/// What a message is sent under, and what queues ask for: `event.order.placed`, `command.customers.credit.reserve`,
/// `reply.placement`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

impl Topic {
    /// The events of one name, from whichever service.
    #[must_use]
    pub fn event(name: &str) -> Self {
        Topic(format!("event.{name}"))
    }

    /// The commands of one name to a service.
    #[must_use]
    pub fn command(service: &str, name: &str) -> Self {
        Topic(format!("command.{service}.{name}"))
    }

    /// The replies to whoever asked under this name.
    #[must_use]
    pub fn replies(to: &str) -> Self {
        Topic(format!("reply.{to}"))
    }

    /// Whether commands have it.
    pub(crate) fn is_command(&self) -> bool {
        self.as_str().starts_with("command.")
    }

    /// Whether replies have it.
    pub(crate) fn is_reply(&self) -> bool {
        self.as_str().starts_with("reply.")
    }

    /// Its text: letters, digits, `.`, `-` and `_`, where names are as Midgard's are.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place at the bus where messages wait until who they are for has handled them.
///
/// It is made by who [subscribes](super::Subscriber::subscribe) to it first, and stays for good, with what waits
/// in it, unless it is temporary. Topics that are asked for later are added; those that are no longer asked for are
/// removed. So a program of an old version that subscribes after one of a new version takes away what only the new one asks
/// for, until a new one subscribes again: in a deployment, end the old ones for good, and then start or restart a new one.
/// Two services with inboxes of one name take topics away from each other in the same way. Whoever does so warns of it
/// (`tracing`), and a message that comes to the other is parked there, and says so.
///
/// ```
/// use midgard::bus::{Queue, Topic};
///
/// let queue = Queue::new("customers", [Topic::event("order.placed"), Topic::event("order.cancelled")]);
/// assert_eq!(queue.in_flight(), 256);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Queue {
    name: String,
    topics: BTreeSet<Topic>,
    in_flight: u16,
    is_temporary: bool,
}

impl Queue {
    /// A queue of this name for messages of these topics. A name has letters, digits, `-` and `_`.
    pub fn new(name: impl Into<String>, topics: impl IntoIterator<Item = Topic>) -> Self {
        Queue {
            name: name.into(),
            topics: topics.into_iter().collect(),
            in_flight: 256,
            is_temporary: false,
        }
    }

    /// How many messages a receiver may have that it has not settled; 256 when nothing is said, 1 at least.
    pub fn with_in_flight(mut self, messages: u16) -> Self {
        self.in_flight = messages.max(1);
        self
    }

    /// Removes the queue, and what is in it, soon after its receiver is gone.
    pub const fn temporary(mut self) -> Self {
        self.is_temporary = true;
        self
    }

    /// For buses: warns that these topics, or what the bus calls them, were asked for before and are taken away from it.
    pub fn warn_of_removed<'t>(&self, removed: impl IntoIterator<Item = &'t str>) {
        let removed = Vec::from_iter(removed).join(", ");
        if removed.is_empty() {
            return;
        }
        let queue = &*self.name;
        tracing::warn!(
            queue,
            removed,
            "the queue no longer asks for these topics, and what is published of them no longer comes to it; if a new version of its service has left them out, all is well; if another service has an inbox or a process manager of this name, they take topics away from each other: give one of them another name, and start the other again"
        );
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The topics that it asks for.
    #[must_use]
    pub const fn topics(&self) -> &BTreeSet<Topic> {
        &self.topics
    }

    /// How many messages a receiver may have that it has not settled.
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Whether it is removed when its receiver is gone.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.is_temporary
    }
}
