//! Which stores are open in this process: LMDB must not open one twice, so it is shared.
//!
//! A store is known by its files, not by its path alone: a directory has many paths, and a path leads to one directory today and to
//! another tomorrow.

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

/// The store in a directory: the one that is open already, or a new one.
pub(crate) fn open(path: &Path, options: LmdbOptions) -> Result<Arc<Shared>, StoreError> {
    let (durability, read_only) = (options.durability, options.read_only);
    let shared = open_or_share(path, options)?;
    // Not under the lock: what is dropped here may be the last handle, which takes it.
    let existing = shared.environment.durability();
    let difference = match (read_only, shared.environment.files().access()) {
        (true, _) => None,
        (false, Access::Read | Access::ReadWithoutLocks) => {
            Some("read-only; drop those handles first, or open it for writing before".to_owned())
        }
        (false, Access::Write) => (existing != durability)
            .then(|| format!("with durability {existing:?}, not {durability:?}; ask for the same")),
    };
    if let Some(difference) = difference {
        return Err(StoreError::Backend {
            action: "open its directory once more",
            cause: format!("{} is open in this process {difference}", path.display()).into(),
        });
    }
    // The path by which it was opened may not lead to it any more.
    shared.environment.access()?;
    shared.environment.look()?;
    Ok(shared)
}

fn open_or_share(path: &Path, options: LmdbOptions) -> Result<Arc<Shared>, StoreError> {
    let (files, registration) = match find_or_register(path, &options)? {
        Found::Open(shared) => return Ok(shared),
        Found::Files(files, registration) => (files, registration),
    };
    // Without the lock: this may wait for other processes, which is no concern of other stores.
    let store = registration.0.clone();
    let environment = Arc::new(Environment::of(Some(registration), files, options)?);
    open_at_once::add(&environment);
    let shared = Arc::new(Shared {
        writer: Writer::new(environment.clone()),
        environment,
    });
    let _ = store.shared.set(Arc::downgrade(&shared));
    CHANGED.notify_all();
    Ok(shared)
}

enum Found {
    Open(Arc<Shared>),
    /// It is not open. Nobody else opens it before the registration is dropped.
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
                // They came there at this moment. To close them would give up the other's locks.
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
                // What is dropped on an error may be the last handle, which takes the lock.
                drop(open);
                store.is_at(path, &ids)?;
                return Ok(Found::Open(shared));
            }
            // It is being opened, or its last handle is gone, and it is being closed.
            _ => open = CHANGED.wait(open).unwrap_or_else(PoisonError::into_inner),
        }
    }
}
