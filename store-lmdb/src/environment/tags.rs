//! The tags and names of an environment.

use super::{Environment, Open};
use crate::tags::{Plan, TagTail};
use heed::RwTxn;
use midgard::store::{Query, StoreError};

impl Environment {
    /// Returns the tags and names of the newest records.
    pub(crate) const fn tag_tail(&self) -> &TagTail {
        &self.tag_tail
    }

    /// Returns the keys that a query asks for.
    pub(crate) fn plan(&self, query: &Query) -> Plan {
        Plan::of(query, &self.tag_keys)
    }

    /// Takes in the tags and names of the newest records. Where that fails, the records are scanned.
    pub(crate) fn catch_up_tags(&self) {
        tell(self.read(|databases, snapshot| {
            let last = databases.log.last_position(snapshot)?;
            self.tag_tail.catch_up(last, databases, snapshot)
        }));
    }
}

impl Open {
    /// As [`Environment::catch_up_tags`], before a write that has changed nothing yet. Reads in a transaction of its
    /// own, as LMDB reads no more in one that has met a damaged page.
    pub(crate) fn catch_up_tags(&self, write: &RwTxn<'_>, tail: &TagTail) {
        let databases = &self.databases;
        let Ok(last) = databases.log.last_position(write) else {
            return;
        };
        tail.forget_beyond(last);
        if tail.is_behind(last)
            && let Ok(snapshot) = self.env.read_txn()
        {
            tell(tail.catch_up(last, databases, &snapshot));
        }
    }
}

fn tell(caught_up: Result<(), StoreError>) {
    if let Err(error) = caught_up {
        tracing::debug!(%error, "the tags of some of the newest records cannot be read");
    }
}
