//! The streams that the writer has met recently, so that it need not look them up again.
//!
//! They are kept by their keys alone, without their names: two streams with the same key would be taken for one. That
//! does not happen. A key is 128 bits of SipHash-1-3, keyed with the id of the store, which is random and never
//! shown: nobody can choose names that collide, and among a thousand million streams two collide by chance with a
//! probability of 2 to the -69. Reads would notice a collision: the record that the index or the tail leads to names its
//! stream.

use crate::index::{Filters, StreamKey};
use crate::streams::Head;
use crate::tail::ByStream;
use midgard::Position;
use std::mem;

/// How many streams a generation has, before the last group of it; there are two generations, of some 9 MB each. With
/// 114,688 streams the hash table would be moved to one of 262,144 places, and appends would wait for that.
const GENERATION: usize = 100_000;

/// Streams at the end of the log, including the additions of the group that is being filled.
#[derive(Default)]
pub(super) struct Heads {
    /// How far they know the log.
    seen: Position,
    young: ByStream<Head>,
    /// Streams that are met again become young again; the others are eventually forgotten.
    old: ByStream<Head>,
    /// For those that are looked up.
    filters: Filters,
}

impl Heads {
    /// Forgets everything noted, when it may not have been committed.
    pub(super) fn clear(&mut self) {
        self.forget(Position::ZERO);
        self.filters.clear();
    }

    fn forget(&mut self, seen: Position) {
        self.seen = seen;
        self.young.clear();
        self.old.clear();
    }

    /// Begins a group: must be called before it is filled. Nothing is forgotten meanwhile.
    pub(super) fn begin(&mut self, last: Position) {
        self.filters.begin();
        if self.seen != last {
            // Another process has appended.
            self.forget(last);
        }
        if self.young.len() >= GENERATION {
            mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }

    /// Ends a group: must be called once it is committed.
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

    /// Returns the filters of the index, for streams that were not met recently.
    pub(super) const fn filters(&mut self) -> &mut Filters {
        &mut self.filters
    }
}
