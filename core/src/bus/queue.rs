//! Queues, where messages wait for a receiver, and the topics that they subscribe to.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::fmt;

/// The topic of a message, to which queues subscribe: `event.order.placed`, `command.customers.credit.reserve`,
/// `reply.placement`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(String);

impl Topic {
    /// Returns the topic of the events of one name, from any service.
    #[must_use]
    pub fn event(name: &str) -> Self {
        Topic(format!("event.{name}"))
    }

    /// Returns the topic of the commands of one name to a service.
    #[must_use]
    pub fn command(service: &str, name: &str) -> Self {
        Topic(format!("command.{service}.{name}"))
    }

    /// Returns the topic of the replies to whoever asked under this name.
    #[must_use]
    pub fn replies(to: &str) -> Self {
        Topic(format!("reply.{to}"))
    }

    /// Returns whether commands have this topic.
    pub(crate) fn is_command(&self) -> bool {
        self.as_str().starts_with("command.")
    }

    /// Returns whether replies have this topic.
    pub(crate) fn is_reply(&self) -> bool {
        self.as_str().starts_with("reply.")
    }

    /// Returns the text of the topic: letters, digits, `.`, `-` and `_`, where names follow Midgard's rules.
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

/// A queue at the bus, where messages wait until their receiver has handled them.
///
/// The first [subscriber](super::Subscriber::subscribe) creates the queue. Unless it is temporary, it stays for good, with
/// the messages in it. A later subscription adds the topics that are new, and removes those that it does not list. So when
/// a program of an old version subscribes after one of a new version, it removes the topics that only the new one wants,
/// until a new one subscribes again. So in a deployment, first end all old programs, and then start or restart a new one.
/// Two services with inboxes of the same name remove each other's topics in the same way. The program that removes topics logs
/// a warning (`tracing`), and a message that reaches the wrong service is parked there with an error that names the cause.
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
    /// Creates a queue of this name for messages of these topics. A name has letters, digits, `-` and `_`.
    pub fn new(name: impl Into<String>, topics: impl IntoIterator<Item = Topic>) -> Self {
        Queue {
            name: name.into(),
            topics: topics.into_iter().collect(),
            in_flight: 256,
            is_temporary: false,
        }
    }

    /// Sets how many unsettled messages a receiver may hold; 256 by default, at least 1.
    pub fn with_in_flight(mut self, messages: u16) -> Self {
        self.in_flight = messages.max(1);
        self
    }

    /// Makes the queue temporary: it is removed, with its messages, soon after its receiver is gone.
    pub const fn temporary(mut self) -> Self {
        self.is_temporary = true;
        self
    }

    /// Warns, for a bus, that these topics, or the bus's names for them, are being removed from the queue.
    pub fn warn_of_removed<'t>(&self, removed: impl IntoIterator<Item = &'t str>) {
        let removed = Vec::from_iter(removed).join(", ");
        if removed.is_empty() {
            return;
        }
        let queue = &*self.name;
        tracing::warn!(
            queue,
            removed,
            "the queue no longer subscribes to these topics, and their messages no longer reach it; this is right if a new version of its service has left them out; if another service has an inbox or a process manager of this name, the two remove each other's topics: give one of them another name, and restart the other"
        );
    }

    /// Returns the name of the queue.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the topics that the queue subscribes to.
    #[must_use]
    pub const fn topics(&self) -> &BTreeSet<Topic> {
        &self.topics
    }

    /// Returns how many unsettled messages a receiver may hold.
    #[must_use]
    pub const fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Returns whether the queue is removed when its receiver is gone.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        self.is_temporary
    }
}
