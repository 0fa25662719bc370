//! The index of tags and names: where the events with a tag, or of a name, are.
//!
//! It leads to events that may match a query. Each of them is read from the log and compared with the query, so that
//! keys that collide, and events that were removed since, do no harm.
//!
//! The newest records are in the [tail](TagTail), in memory. Older ones are in sorted runs, which are made and merged as
//! those of the [index of streams](crate::index) are; but they are cut into blocks by size, and not into parts by key:
//! a name may have any number of events. Records that are nowhere are scanned.

mod block;
mod check;
mod hits;
mod manifest;
mod merge;
mod plan;
mod postings;
mod runs;
mod search;
mod sections;
mod tail;
#[cfg(test)]
mod tests;

pub(crate) use check::BlockAddress;
pub(crate) use hits::{Finding, Runs, Visited};
pub(crate) use manifest::Manifest as TagManifest;
pub(crate) use merge::{flush, step};
pub(crate) use plan::Plan;
pub(crate) use postings::{Added, Postings, Span};
pub(crate) use runs::Tags;
pub(crate) use sections::{Section, Source, sections};
pub(crate) use tail::{MOST_AT_ONCE, STEP, TagTail, View};

use search::{InMemory, Posting, Search, Searched};

use crate::record::{Header, Kind};
use midgard::Event as _;
use midgard::store::{StoreError, StreamTombstoned};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// The key of a tag or a name: a hash of it. Two may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TagKey(pub(crate) u64);

/// Makes the keys of tags and names with a secret of the store, so that nobody can choose ones that collide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TagKeys {
    hasher: SipHasher13,
}

impl TagKeys {
    pub(crate) fn new(secret: &[u8; 16]) -> Self {
        TagKeys {
            hasher: SipHasher13::new_with_key(secret),
        }
    }

    /// Returns the key of the events of a name.
    pub(crate) fn name(&self, name: &[u8]) -> TagKey {
        self.of(0, name)
    }

    /// Returns the key of the events with a tag.
    pub(crate) fn tag(&self, tag: &[u8]) -> TagKey {
        self.of(1, tag)
    }

    /// Returns the key of the marks that streams were tombstoned, which readers see as events.
    pub(crate) fn tombstones(&self) -> TagKey {
        self.name(StreamTombstoned::NAME.as_bytes())
    }

    fn of(&self, kind: u8, text: &[u8]) -> TagKey {
        let mut hasher = self.hasher;
        hasher.write(&[kind]);
        hasher.write(text);
        TagKey(hasher.finish())
    }

    /// Passes each key of a record to `each`.
    pub(crate) fn each_of(&self, header: &Header<'_>, mut each: impl FnMut(TagKey)) {
        match header.kind {
            Kind::Event => {
                each(self.name(header.name));
                header.tags().for_each(|tag| each(self.tag(tag)));
            }
            Kind::Tombstoned => each(self.tombstones()),
            Kind::Truncated => {}
        }
    }
}

/// The action of errors about the index.
const READ: &str = "read the index of tags";

/// Returns whether an error reports that the index cannot be read: the log can do without it.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Backend { action, .. } if *action == READ)
}

/// The error of an index that cannot be as it was written.
fn damaged(what: &str) -> StoreError {
    StoreError::Backend {
        action: READ,
        cause: format!("it is damaged ({what}); it is made again from the log, which is slower to search meanwhile").into(),
    }
}
