//! Entries of a sharded store: all are in one shard, and change together with the events of any.
//!
//! An append that changes entries is one step where its events are in the shard of entries, too. Elsewhere it takes a
//! transaction over both shards:
//!
//! 1. In the shard of the events, an outcome is written down: undecided.
//! 2. In the shard of entries, the entries are checked and locked, and their new values are staged.
//! 3. In the shard of the events, the events are appended and the outcome becomes committed, if it is undecided still. This
//!    is the moment at which all of it is done.
//! 4. In the shard of entries, the staged values replace the old ones, and the locks are removed; then the outcome is.
//!
//! An append that was there already, as a retry, is recognised in the third step: the outcome stays undecided, and the
//! entries are only unlocked.
//!
//! A process may end between any two of these. Whoever meets a lock looks at the outcome: of a committed transaction, it
//! does the fourth step; one without an outcome, it takes back; one that stays undecided, it first aborts by removing the
//! outcome, so that the third step fails and its process begins anew. So locks are removed without a change only after the outcome is. No clock and no process is relied on, except for
//! speed: a lock is left alone for [`PATIENCE`](settling::PATIENCE).

mod keys;
mod reading;
mod settling;
mod transaction;
mod writing;

pub(crate) use keys::{ABOUT, COMPLETE};
pub(crate) use reading::get;
pub(crate) use settling::changed;
pub(crate) use transaction::TransactionId;
