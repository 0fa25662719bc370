//! Recently settled messages of a receiver.

use async_nats::subject::Subject;
use std::collections::{BTreeMap, VecDeque};

/// At least this many are remembered.
const REMEMBERED: usize = 1024;

/// Recently settled messages, whose acknowledgements may have been lost.
#[derive(Default)]
pub(crate) struct Settled {
    order: VecDeque<u64>,
    /// When each was published, and the subject of its acknowledgement, by its sequence number in the stream.
    replies: BTreeMap<u64, (i128, Subject)>,
}

impl Settled {
    /// Returns whether a delivered message was settled before.
    pub(crate) fn contains(&self, sequence: u64, published: i128) -> bool {
        let known = self.replies.get(&sequence);
        known.is_some_and(|(at, _)| *at == published)
    }

    /// Returns the subjects for repeating the acknowledgements.
    pub(crate) fn replies(&self) -> impl Iterator<Item = &Subject> {
        self.replies.values().map(|(_, reply)| reply)
    }

    /// Remembers a message, and drops the oldest ones beyond what may be in flight several times over.
    pub(crate) fn remember(
        &mut self,
        sequence: u64,
        (published, reply): (i128, Subject),
        in_flight: usize,
    ) {
        if self.replies.insert(sequence, (published, reply)).is_none() {
            self.order.push_back(sequence);
        }
        let most = REMEMBERED.max(4 * in_flight);
        while self.order.len() > most {
            if let Some(oldest) = self.order.pop_front() {
                self.replies.remove(&oldest);
            }
        }
    }
}
