//! The contract of a store, run on the memory store, and on the same behind a trait object.

use midgard::{DynStore, MemoryStore};
use midgard_contract::{Fixture, store_contract};

/// One store, of which every handle is a clone: the events are gone with the last.
struct Memory(MemoryStore);

impl Fixture for Memory {
    type Store = MemoryStore;

    fn new() -> Self {
        Memory(MemoryStore::new())
    }

    fn open(&self) -> MemoryStore {
        self.0.clone()
    }
}

struct Erased(DynStore);

impl Fixture for Erased {
    type Store = DynStore;

    fn new() -> Self {
        Erased(DynStore::new(MemoryStore::new()))
    }

    fn open(&self) -> DynStore {
        self.0.clone()
    }
}

store_contract!(Memory);

mod behind_a_trait_object {
    use super::{Erased, store_contract};

    store_contract!(Erased);
}
