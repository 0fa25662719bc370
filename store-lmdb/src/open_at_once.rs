//! How many environments are open at once.
//!
//! An open environment takes five of the files that a process may have open, and some address space. A process may have a store for each
//! of its thousands of tenants, and use few of them at a time: so no more are open than half of its files allow, and those that were
//! used longest ago are closed, until they are used again.

use crate::environment::Environment;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many files an environment has open: LMDB three, and `Files` two.
const FILES: usize = 5;
/// However many files there may be: each environment takes some of the pieces that the system divides a process's memory into.
const MOST: usize = 4096;

/// All stores of the process, open or not.
static ALL: Mutex<Vec<Weak<Environment>>> = Mutex::new(Vec::new());
/// How many are open.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// Counts an open environment for as long as it lives.
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

/// Takes in a store, which may be closed from now on while it is not used.
pub(crate) fn add(environment: &Arc<Environment>) {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|environment| environment.strong_count() > 0);
    all.push(Arc::downgrade(environment));
}

/// Closes some of the environments that were used longest ago, when there is no room for one more. To be called by whoever has none of
/// them locked.
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
    // Several at once, so that few look through all of them.
    for environment in open.iter().take(open.len() / 8 + 1) {
        environment.rest();
    }
}

/// How many may be open at once.
fn most() -> usize {
    (files().unwrap_or(usize::MAX) / 2 / FILES).clamp(1, MOST)
}

/// How many files the process may have open, where the system sets a limit.
#[cfg(unix)]
fn files() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn files() -> Option<usize> {
    None
}
