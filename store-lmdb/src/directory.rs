//! Which directories are open in this process: LMDB must not open one twice, so it is shared.

use crate::Shared;
use crate::environment::Environment;
use crate::options::LmdbOptions;
use crate::writer::Writer;
use midgard::StoreError;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

static OPEN: Mutex<Option<HashMap<PathBuf, Weak<Shared>>>> = Mutex::new(None);
static CLOSED: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Option<HashMap<PathBuf, Weak<Shared>>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The environment in a directory: the one that is open already, or a new one.
pub(crate) fn open(path: &Path, options: LmdbOptions) -> Result<Arc<Shared>, StoreError> {
    let durability = options.durability;
    let shared = open_or_share(path, options)?;
    // Not under the lock: what is dropped here may be the last handle, which takes it.
    let existing = shared.environment.durability();
    if existing != durability {
        return Err(StoreError::Backend {
            action: "open its directory once more",
            source: format!(
                "{} is open in this process with durability {existing:?}, not {durability:?}; ask for the same",
                path.display()
            )
            .into(),
        });
    }
    Ok(shared)
}

fn open_or_share(path: &Path, options: LmdbOptions) -> Result<Arc<Shared>, StoreError> {
    let mut open = lock();
    while let Some(shared) = open.get_or_insert_default().get(path) {
        if let Some(shared) = shared.upgrade() {
            return Ok(shared);
        }
        // Its last handle is gone, and it is being closed.
        open = CLOSED.wait(open).unwrap_or_else(PoisonError::into_inner);
    }
    let environment = Arc::new(Environment::open(path, options)?);
    let registration = Arc::new(Registration(path.to_owned()));
    let started = Writer::start(environment.clone(), registration.clone());
    let writer = match started {
        Ok(writer) => writer,
        Err(error) => {
            drop(environment);
            // The registration takes the lock when it goes.
            drop(open);
            return Err(error);
        }
    };
    let shared = Arc::new(Shared {
        writer,
        environment,
        _registration: registration,
    });
    open.get_or_insert_default()
        .insert(path.to_owned(), Arc::downgrade(&shared));
    Ok(shared)
}

/// The place of an environment among the open directories; given up when it is dropped. The writer has
/// it too, as it may outlive the last handle.
pub(crate) struct Registration(PathBuf);

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(open) = lock().as_mut()
            // Not of one that came after it.
            && open.get(&self.0).is_some_and(|shared| shared.strong_count() == 0)
        {
            open.remove(&self.0);
        }
        CLOSED.notify_all();
    }
}
