//! What one read saw, the next one sees: also while commits are faster than a read begins.
#![allow(clippy::unwrap_used)]

use crate::common::{While, append, event};
use midgard::{LogId, Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::thread;

#[test]
fn no_read_sees_less_than_the_one_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let writing = While::new();
    thread::scope(|scope| {
        // More than there are processors: threads are held up anywhere then.
        for _ in 0..16 {
            scope.spawn(|| {
                let mut seen = 0;
                while writing.holds() {
                    let last = block_on(store.last_position(LogId::MAIN)).unwrap().get();
                    assert!(last >= seen, "position {seen} was there, and then {last}");
                    seen = last;
                }
            });
        }
        let _end = writing.until_dropped();
        for _ in 0..1500 {
            append(&store, "a", vec![event("x")]).unwrap();
        }
    });
}
