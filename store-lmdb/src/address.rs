//! Addresses of stores in LMDB: `lmdb:` and a directory.

use crate::LmdbStore;
use midgard::DynStore;
use midgard::store::{OpenError, Scheme};

impl LmdbStore {
    /// The scheme of its addresses: `lmdb:` and the path of a directory, which is made if it is missing.
    ///
    /// ```
    /// use midgard::DynStore;
    /// use midgard_store_lmdb as _; // without it, the program does not know the scheme
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let data = directory.path().display();
    /// let store = midgard::block_on(DynStore::open(&format!("lmdb:{data}")))?;
    /// assert!(store.is_embedded());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub const SCHEME: Scheme = Scheme::new("lmdb", "lmdb:DIRECTORY", |address| {
        Box::pin(std::future::ready(open(address)))
    });
}

inventory::submit! { LmdbStore::SCHEME }

fn open(address: &str) -> Result<DynStore, OpenError> {
    let directory = address.strip_prefix("lmdb:").unwrap_or_default();
    // `lmdb://data` would be `/data`, which nobody means.
    let reason = match directory {
        "" => "the directory is missing",
        path if path.starts_with("//") && !path.starts_with("///") => {
            "a directory has no host; write `lmdb:data` for a directory here, or `lmdb:/var/data` for one from the root"
        }
        path => return Ok(DynStore::embedded(LmdbStore::open(path)?)),
    };
    Err(OpenError::malformed(LmdbStore::SCHEME, reason))
}
