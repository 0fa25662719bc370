//! Watches the messages that come out of a queue, across receivers.

use super::kit::{message, number};
use midgard::bus::{Message, Received};
use std::collections::{BTreeSet, HashMap};

/// Sees all received messages, and objects when a key is out of order.
///
/// The messages of each key are numbered from 0, in the order in which they were published.
#[derive(Default)]
pub(super) struct Witness {
    keys: HashMap<String, Seen>,
}

#[derive(Default)]
struct Seen {
    /// All smaller numbers were received at least once.
    below: usize,
    /// Received, and not acknowledged.
    open: BTreeSet<usize>,
    /// Those of them that the current receiver was given.
    given: BTreeSet<usize>,
}

impl Witness {
    /// Notes that another receiver is at work from now on.
    pub(super) fn new_receiver(&mut self) {
        for seen in self.keys.values_mut() {
            seen.given.clear();
        }
    }

    pub(super) fn received(&mut self, received: &Received) {
        let (key, number) = (&message(received).key, number(received));
        let seen = self.keys.entry(key.clone()).or_default();
        let below = seen.below;
        assert!(
            number <= below,
            "{key}: {number} came before {below} ever did"
        );
        if number == below {
            seen.below += 1;
            if let Some(missing) = seen.open.difference(&seen.given).next() {
                panic!(
                    "{key}: {number}, never seen before, came before {missing} came again, which nobody has acknowledged"
                );
            }
        }
        seen.open.insert(number);
        seen.given.insert(number);
    }

    /// Acknowledges a message. If that fails, the message is still expected again.
    pub(super) async fn acknowledge(&mut self, received: Received) {
        let (key, number) = (message(&received).key.clone(), number(&received));
        if received.acknowledge().await.is_ok()
            && let Some(seen) = self.keys.get_mut(&key)
        {
            seen.open.remove(&number);
        }
    }

    /// Returns whether all of these were received at least once.
    pub(super) fn has_seen(&self, sent: &[Message]) -> bool {
        let seen: usize = self.keys.values().map(|seen| seen.below).sum();
        seen >= sent.len()
    }

    /// Returns whether all of these were received and acknowledged.
    pub(super) fn is_done_with(&self, sent: &[Message]) -> bool {
        self.has_seen(sent) && self.keys.values().all(|seen| seen.open.is_empty())
    }

    pub(super) fn has_all_of(&self, sent: &[Message]) {
        let seen: usize = self.keys.values().map(|seen| seen.below).sum();
        assert_eq!(seen, sent.len(), "every message was received");
    }
}
