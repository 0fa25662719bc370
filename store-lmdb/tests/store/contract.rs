//! The contract of a store, and all of it.
#![allow(clippy::unwrap_used)]

use midgard_contract::Fixture;
use midgard_store_lmdb::LmdbStore;
use tempfile::TempDir;

struct Lmdb(TempDir);

impl Fixture for Lmdb {
    type Store = LmdbStore;

    fn new() -> Self {
        Lmdb(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> LmdbStore {
        LmdbStore::open(self.0.path()).unwrap()
    }
}

midgard_contract::store_contract!(Lmdb);
