//! The number of environments that are open at once.
//!
//! An open environment takes five of the files that a process may open, and some address space. A process may have a
//! store for each of thousands of tenants, and use few of them at a time. So open environments take at most half of
//! its files, and the least recently used ones are closed until they are used again.

use crate::environment::Environment;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The files of an open environment: three of LMDB, and two of `Files`.
const FILES: usize = 5;
/// The limit however many files are allowed: each environment takes some of the pieces into which the system divides
/// a process's memory.
const MOST: usize = 4096;

/// All stores of the process, open or not.
static ALL: Mutex<Vec<Weak<Environment>>> = Mutex::new(Vec::new());
/// The number of open environments.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Counts an open environment as long as it lives.
#[derive(Debug)]
pub(crate) struct Counted(());

impl Counted {
    pub(crate) fn new() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Counted(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Registers a store, which may be closed from now on while it is not used.
pub(crate) fn add(environment: &Arc<Environment>) {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|environment| environment.strong_count() > 0);
    all.push(Arc::downgrade(environment));
}

/// Closes some of the least recently used environments if there is no room for one more. The caller must hold none of
/// their locks.
pub(crate) fn make_room() {
    if OPEN.load(Ordering::Relaxed) < most() {
        return;
    }
    let mut open: Vec<_> = {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    };
    open.retain(|environment| environment.is_open());
    open.sort_by_cached_key(|environment| environment.last_used());
    // Several at once, so that the list is searched rarely.
    for environment in open.iter().take(open.len() / 8 + 1) {
        environment.rest();
    }
}

/// Returns how many may be open at once.
fn most() -> usize {
    (files().unwrap_or(usize::MAX) / 2 / FILES).clamp(1, MOST)
}

/// Returns how many files the process may open, where the system sets a limit.
#[cfg(unix)]
fn files() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn files() -> Option<usize> {
    None
}
