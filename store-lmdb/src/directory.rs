//! Which stores are open in this process: LMDB must not open one twice, so it is shared.
//!
//! A store is known by its files, not by its path alone: a directory has many paths, and a path leads to one directory today and to
//! another tomorrow.

use crate::Shared;
use crate::environment::Environment;
use crate::files::{self, Access, FileId, Files, Identity};
use crate::open_at_once;
use crate::options::LmdbOptions;
use crate::writer::Writer;
use midgard::store::ProcessMark;
use midgard::store::StoreError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

static OPEN: Mutex<Option<Places>> = Mutex::new(None);
static CHANGED: Condvar = Condvar::new();

/// The stores that are open, or being opened or closed, by all that they are known by.
type Places = HashMap<Key, Arc<Place>>;

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Path(PathBuf),
    File(FileId),
}

impl Identity {
    fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        let Identity { data, lock } = self.clone();
        [Some(data), lock].into_iter().flatten().map(Key::File)
    }
}

/// A store that is open, or being opened or closed.
struct Place {
    path: PathBuf,
    identity: Identity,
    opened_in: ProcessMark,
    /// Empty while it is being opened.
    shared: OnceLock<Weak<Shared>>,
}

impl Place {
    fn keys(&self) -> impl Iterator<Item = Key> {
        let files = self.identity.keys();
        files.chain([Key::Path(self.path.clone())])
    }

    /// Whether a directory has its files. An error when it has some of them, or when they should be there and are not: they
    /// were moved or replaced.
    fn is_at(&self, path: &Path, ids: &[Option<FileId>; 2]) -> Result<(), StoreError> {
        let Identity { data, lock } = &self.identity;
        // One that is read without a lock file has it as little when others have made one.
        if Some(data) == ids[0].as_ref() && (lock.is_none() || *lock == ids[1]) {
            return Ok(());
        }
        Err(self.is_elsewhere(path))
    }

    /// Why a directory is not opened that should have its files, or must not.
    fn is_elsewhere(&self, path: &Path) -> StoreError {
        let reason = if self.path == path {
            "a store that was opened there is still open in this process, and its files were removed, moved away or \
             replaced since; drop its handles, and open it again"
                .to_owned()
        } else {
            let other = self.path.display();
            format!(
                "one of its files is also open in this process as {other}; drop the handles of that, and see which \
                 files belong together"
            )
        };
        StoreError::Lost {
            path: path.to_owned(),
            reason,
        }
    }
}

fn lock() -> MutexGuard<'static, Option<Places>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

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
    let place = registration.0.clone();
    let environment = Arc::new(Environment::of(Some(registration), files, options)?);
    open_at_once::add(&environment);
    let shared = Arc::new(Shared {
        writer: Writer::new(environment.clone()),
        environment,
    });
    let _ = place.shared.set(Arc::downgrade(&shared));
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
        let places = open.get_or_insert_default();
        let ids = files::ids_at(path);
        let files = ids.iter().flatten().cloned().map(Key::File);
        let mut keys = files.chain([Key::Path(path.to_owned())]);
        let Some(place) = keys.find_map(|key| places.get(&key).cloned()) else {
            let files = Files::open(path, options)?;
            let mut keys = files.identity().keys();
            if let Some(other) = keys.find_map(|key| places.get(&key).cloned()) {
                // They came there at this moment. To close them would give up the other's locks.
                std::mem::forget(files);
                return Err(other.is_elsewhere(path));
            }
            let place = Arc::new(Place {
                path: path.to_owned(),
                identity: files.identity().clone(),
                opened_in: ProcessMark::here(),
                shared: OnceLock::new(),
            });
            for key in place.keys() {
                places.insert(key, place.clone());
            }
            return Ok(Found::Files(files, Registration(place)));
        };
        if !place.opened_in.is_here() {
            return Err(StoreError::Forked {
                path: path.to_owned(),
            });
        }
        let shared = place.shared.get().map(Weak::upgrade);
        match shared {
            Some(Some(shared)) => {
                // What is dropped on an error may be the last handle, which takes the lock.
                drop(open);
                place.is_at(path, &ids)?;
                return Ok(Found::Open(shared));
            }
            // It is being opened, or its last handle is gone, and it is being closed.
            _ => open = CHANGED.wait(open).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The place of a store among those that are open; given up when it is dropped.
pub(crate) struct Registration(Arc<Place>);

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
