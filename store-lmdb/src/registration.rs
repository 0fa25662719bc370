//! The stores that are open in this process, by all of their identities, and the registration of each.

use crate::Shared;
use crate::files::{FileId, Identity};
use midgard::store::{ProcessMark, StoreError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

static OPEN: Mutex<Option<OpenStores>> = Mutex::new(None);
pub(crate) static CHANGED: Condvar = Condvar::new();

/// The stores that are open, or being opened or closed, by all of their identities.
pub(crate) type OpenStores = HashMap<Key, Arc<OpenStore>>;

#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Path(PathBuf),
    File(FileId),
}

impl Identity {
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        let Identity { data, lock } = self.clone();
        [Some(data), lock].into_iter().flatten().map(Key::File)
    }
}

/// A store that is open, or being opened or closed.
pub(crate) struct OpenStore {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    pub(crate) opened_in: ProcessMark,
    /// Empty while it is being opened.
    pub(crate) shared: OnceLock<Weak<Shared>>,
}

impl OpenStore {
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let files = self.identity.keys();
        files.chain([Key::Path(self.path.clone())])
    }

    /// Returns whether a directory has its files. Returns an error when it has some of them, or when they should be
    /// there and are not: then they were moved or replaced.
    pub(crate) fn is_at(&self, path: &Path, ids: &[Option<FileId>; 2]) -> Result<(), StoreError> {
        let Identity { data, lock } = &self.identity;
        // A store that is read without a lock file still has none after others have created one.
        if Some(data) == ids[0].as_ref() && (lock.is_none() || *lock == ids[1]) {
            return Ok(());
        }
        Err(self.is_elsewhere(path))
    }

    /// Returns the error of a directory that should have its files and does not, or that has them and should not.
    pub(crate) fn is_elsewhere(&self, path: &Path) -> StoreError {
        let reason = if self.path == path {
            "a store that was opened there is still open in this process, and its files were removed, moved away or \
             replaced since then; drop its handles, and open it again"
                .to_owned()
        } else {
            let other = self.path.display();
            format!(
                "one of its files is also open in this process as {other}; drop that store's handles, and check which \
                 files belong together"
            )
        };
        StoreError::Lost {
            path: path.to_owned(),
            reason,
        }
    }
}

pub(crate) fn lock() -> MutexGuard<'static, Option<OpenStores>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The registration of a store among the open ones; given up when it is dropped.
pub(crate) struct Registration(pub(crate) Arc<OpenStore>);

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(open) = lock().as_mut() {
            for key in self.0.keys() {
                open.remove(&key);
            }
        }
        CHANGED.notify_all();
    }
}
