//! The tags and names of an environment.

use super::{Environment, Open};
use crate::tags::{Plan, TagTail};
use heed::RwTxn;
use midgard::Position;
use midgard::store::{Query, StoreError};
use std::ops::RangeInclusive;

impl Environment {
    /// Returns the tags and names of the newest records.
    pub(crate) const fn tag_tail(&self) -> &TagTail {
        &self.tag_tail
    }

    /// Returns the keys that a query asks for.
    pub(crate) fn plan(&self, query: &Query) -> Plan {
        Plan::of(query, &self.tag_keys)
    }

    /// Takes in the tags and names of some of the newest records. Returns the positions that are to be taken in
    /// after them; `None` where that fails, and the records are scanned.
    pub(crate) fn catch_up_tags(&self) -> Option<RangeInclusive<Position>> {
        tell(self.read(|databases, snapshot| {
            let last = databases.log.last_position(snapshot)?;
            let seen = self.tag_tail.catch_up(last, databases, snapshot, 0)?;
            Ok(seen.next()..=last)
        }))
    }
}

impl Open {
    /// As [`Environment::catch_up_tags`], before a write that has changed nothing yet.
    pub(crate) fn catch_up_tags(&self, write: &RwTxn<'_>, tail: &TagTail) {
        let Ok(last) = self.databases.log.last_position(write) else {
            return;
        };
        tail.forget_beyond(last);
        self.take_in_tags(last, tail, tail.pace(last));
    }

    /// Takes in the tags and names of all records up to the last one that was committed.
    pub(crate) fn take_in_all_tags(&self, last: Position, tail: &TagTail) {
        self.take_in_tags(last, tail, u64::MAX);
    }

    /// Reads in a transaction of its own, as LMDB reads no more in one that has met a damaged page.
    fn take_in_tags(&self, last: Position, tail: &TagTail, least: u64) {
        if tail.is_behind(last)
            && let Ok(snapshot) = self.env.read_txn()
        {
            tell(tail.catch_up(last, &self.databases, &snapshot, least));
        }
    }
}

fn tell<T>(caught_up: Result<T, StoreError>) -> Option<T> {
    let failed = |error: &_| tracing::debug!(%error, "the tags of some of the newest records cannot be read");
    caught_up.inspect_err(failed).ok()
}
