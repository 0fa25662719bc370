//! The streams that the writer has met lately, so that it need not look for them again.
//!
//! They are kept by their keys alone, without their names: two streams of one key would be taken for each other. That does not
//! happen. A key is 128 bits of SipHash-1-3 with a key of its own, the id of the store, which is random and nowhere shown: names cannot be
//! chosen so that they collide, and of a thousand million streams any two do by chance with a probability of 2 to the -69.
//! Elsewhere it would not go unseen: the record that the index or the tail leads to says which stream it is of.

use crate::index::StreamKey;
use crate::streams::Head;
use crate::tail::ByStream;
use midgard::Position;
use std::mem;

/// How many streams a generation has; there are two of them, of some 12 MB each.
const GENERATION: usize = 131_072;

/// Streams as they are at the end of the log, with what the group that is being filled has added.
#[derive(Default)]
pub(super) struct Heads {
    /// Up to where they know of the log.
    seen: Position,
    young: ByStream<Head>,
    /// Those that were met again are young again; the others are forgotten one day.
    old: ByStream<Head>,
}

impl Heads {
    /// Forgets everything, when what was noted may not have been committed.
    pub(super) fn clear(&mut self) {
        self.seen = Position::ZERO;
        self.young.clear();
        self.old.clear();
    }

    /// To be called before a group is filled. Nothing is forgotten while one is.
    pub(super) fn begin(&mut self, last: Position) {
        if self.seen != last {
            // Another process has appended.
            self.clear();
            self.seen = last;
        }
        if self.young.len() >= GENERATION {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }

    /// To be called when the group is committed.
    pub(super) const fn committed(&mut self, last: Position) {
        self.seen = last;
    }

    pub(super) fn get(&mut self, key: StreamKey) -> Option<Head> {
        if let Some(head) = self.young.get(&key) {
            return Some(*head);
        }
        let head = *self.old.get(&key)?;
        self.young.insert(key, head);
        Some(head)
    }

    pub(super) fn set(&mut self, key: StreamKey, head: Head) {
        self.young.insert(key, head);
    }
}
