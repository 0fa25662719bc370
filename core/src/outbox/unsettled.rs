//! What a relay knows about messages that could not all leave at once.

use super::aside::Lost;
use crate::bus::{Message, Topic};
use crate::place::LogId;
use std::collections::{BTreeMap, HashSet};

/// What is known about messages and topics.
#[derive(Default)]
pub(super) struct Known {
    /// The messages of each log that could not all leave at once.
    unsettled: BTreeMap<LogId, Unsettled>,
    /// The topics that a queue wanted when a message was last published to them.
    pub(super) heard: HashSet<Topic>,
}

/// The state of messages that could not all leave at once.
#[derive(Default)]
pub(super) struct Unsettled {
    /// The ids of messages that the bus has, and that no checkpoint covers yet: they are not published again.
    pub(super) confirmed: HashSet<String>,
    /// The first that could not leave. It is tried alone.
    pub(super) stuck: Option<String>,
    /// The command or reply that has just turned out to be unheard.
    pub(super) unheard: Option<Lost>,
}

impl Known {
    /// Returns the state of the messages of the log of these.
    pub(super) fn of(&mut self, messages: &[Message]) -> &mut Unsettled {
        let place = messages.first().and_then(|message| message.place);
        let log = place.map_or(LogId::MAIN, |place| place.log);
        self.unsettled.entry(log).or_default()
    }
}
