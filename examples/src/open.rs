//! Opening a store that is picked on the command line.

use midgard::store::StoreError;
use midgard::{DynStore, MemoryStore};
use midgard_store_lmdb::LmdbStore;
use std::path::Path;

/// The kind of store that keeps the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreKind {
    /// On disk, in a directory.
    Lmdb,
    /// In memory: gone when the program ends.
    Memory,
}

/// Opens a store; one on disk in `directory`, which is created if it is missing.
///
/// # Errors
/// When the store cannot be opened.
pub fn open(kind: StoreKind, directory: &Path) -> Result<DynStore, StoreError> {
    match kind {
        StoreKind::Lmdb => LmdbStore::open(directory).map(DynStore::new),
        StoreKind::Memory => Ok(DynStore::new(MemoryStore::new())),
    }
}
