//! The contract of a store: over one shard, and with all streams in one shard and all entries in another.

use midgard::MemoryStore;
use midgard::block_on;
use midgard_contract::Fixture;
use midgard_store_lmdb::LmdbStore;
use midgard_store_sharded::ShardedStore;
use tempfile::TempDir;

mod one_shard {
    use super::*;

    #[derive(Default)]
    struct One(MemoryStore);

    impl Fixture for One {
        type Store = ShardedStore<MemoryStore>;

        fn new() -> Self {
            One::default()
        }

        fn open(&self) -> Self::Store {
            block_on(ShardedStore::open([self.0.clone()])).unwrap()
        }
    }

    midgard_contract::store_contract!(One);
}

mod entries_apart {
    use super::*;

    #[derive(Default)]
    struct Apart(MemoryStore, MemoryStore);

    impl Fixture for Apart {
        type Store = ShardedStore<MemoryStore>;

        fn new() -> Self {
            Apart::default()
        }

        fn open(&self) -> Self::Store {
            ShardedStore::with_entries_apart(self.0.clone(), self.1.clone())
        }
    }

    midgard_contract::store_contract!(Apart);
}

mod entries_apart_on_disk {
    use super::*;

    struct Apart(TempDir);

    impl Fixture for Apart {
        type Store = ShardedStore<LmdbStore>;

        fn new() -> Self {
            Apart(tempfile::tempdir().unwrap())
        }

        fn open(&self) -> Self::Store {
            let open = |name| LmdbStore::open(self.0.path().join(name)).unwrap();
            ShardedStore::with_entries_apart(open("streams"), open("entries"))
        }
    }

    midgard_contract::store_contract!(Apart);
}
