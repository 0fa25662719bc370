//! Opening a store that is picked on the command line.

use midgard::DynStore;
use midgard::store::OpenError;
use midgard_store_lmdb::LmdbStore;
#[cfg(feature = "postgres")]
use midgard_store_postgres as _; // its addresses are known
use std::path::Path;

/// Opens the store at an address; without one, the store on disk in `directory`, which is created if it is missing.
///
/// # Errors
/// When the store cannot be opened.
pub async fn open(address: Option<&str>, directory: &Path) -> Result<DynStore, OpenError> {
    match address {
        Some(address) => DynStore::open(address).await,
        None => Ok(DynStore::embedded(LmdbStore::open(directory)?)),
    }
}
