//! The stores that are open in this process: LMDB must not open one twice, so its environment is shared.
//!
//! A store is identified by its files, not by its path alone: a directory has many paths, and a path may lead to
//! another directory tomorrow.

use crate::Shared;
use crate::environment::Environment;
use crate::files::{self, Access, Files};
use crate::open_at_once;
use crate::options::LmdbOptions;
use crate::registration::{CHANGED, Key, OpenStore, Registration, lock};
use crate::writer::Writer;
use midgard::store::ProcessMark;
use midgard::store::StoreError;
use std::path::Path;
use std::sync::{Arc, OnceLock, PoisonError, Weak};

/// Returns the store in a directory: the one that is open already, or a new one.
pub(crate) fn open(path: &Path, options: LmdbOptions) -> Result<Arc<Shared>, StoreError> {
    let (durability, read_only) = (options.durability, options.read_only);
    let shared = open_or_share(path, options)?;
    // Not under the lock: the value dropped here may be the last handle, whose drop takes the lock.
    let existing = shared.environment.durability();
    let difference = match (read_only, shared.environment.files().access()) {
        (true, _) => None,
        (false, Access::Read | Access::ReadWithoutLocks) => {
            Some("read-only; drop those handles first, or open it for writing before it is opened read-only".to_owned())
        }
        (false, Access::Write) => (existing != durability)
            .then(|| format!("with durability {existing:?}, not {durability:?}; use the same")),
    };
    if let Some(difference) = difference {
        return Err(StoreError::Backend {
            action: "open its directory again",
            cause: format!("{} is open in this process {difference}", path.display()).into(),
        });
    }
    // The path by which the store was opened may no longer lead to it.
    shared.environment.access()?;
    shared.environment.look()?;
    Ok(shared)
}

fn open_or_share(path: &Path, options: LmdbOptions) -> Result<Arc<Shared>, StoreError> {
    let (files, registration) = match find_or_register(path, &options)? {
        Found::Open(shared) => return Ok(shared),
        Found::Files(files, registration) => (files, registration),
    };
    // Without the lock: this may wait for other processes, and other stores must not wait with it.
    let store = registration.0.clone();
    let environment = Arc::new(Environment::of(Some(registration), files, options)?);
    open_at_once::add(&environment);
    let shared = Arc::new(Shared {
        writer: Writer::new(environment.clone()),
        environment,
    });
    let _ = store.shared.set(Arc::downgrade(&shared));
    CHANGED.notify_all();
    shared.writer.continue_tags();
    Ok(shared)
}

enum Found {
    Open(Arc<Shared>),
    /// The store is not open. Nobody else opens it before the registration is dropped.
    Files(Files, Registration),
}

/// Waits while the store is being opened or closed.
fn find_or_register(path: &Path, options: &LmdbOptions) -> Result<Found, StoreError> {
    let mut open = lock();
    loop {
        let stores = open.get_or_insert_default();
        let ids = files::ids_at(path);
        let files = ids.iter().flatten().cloned().map(Key::File);
        let mut keys = files.chain([Key::Path(path.to_owned())]);
        let Some(store) = keys.find_map(|key| stores.get(&key).cloned()) else {
            let files = Files::open(path, options)?;
            let mut keys = files.identity().keys();
            if let Some(other) = keys.find_map(|key| stores.get(&key).cloned()) {
                // They appeared there at this moment. Closing them would release the other store's locks.
                std::mem::forget(files);
                return Err(other.is_elsewhere(path));
            }
            let store = Arc::new(OpenStore {
                path: path.to_owned(),
                identity: files.identity().clone(),
                opened_in: ProcessMark::here(),
                shared: OnceLock::new(),
            });
            for key in store.keys() {
                stores.insert(key, store.clone());
            }
            return Ok(Found::Files(files, Registration(store)));
        };
        if !store.opened_in.is_here() {
            return Err(StoreError::Forked {
                path: path.to_owned(),
            });
        }
        let shared = store.shared.get().map(Weak::upgrade);
        match shared {
            Some(Some(shared)) => {
                // An error may drop the last handle here, which takes the lock.
                drop(open);
                store.is_at(path, &ids)?;
                return Ok(Found::Open(shared));
            }
            // It is being opened, or its last handle is gone and it is being closed.
            _ => open = CHANGED.wait(open).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
