//! How much of the address space of the process the maps of stores take.
//!
//! A map takes address space, not memory, and should rarely be outgrown, as growing waits for snapshots. So a lone
//! store gets a map that it never outgrows. A process has 128 TiB on most systems, and everything else is allocated
//! from what the maps leave. So all stores together get half of that, or a quarter of the process's limit; each store
//! gets a part of what is left, and a minimum in any case.

use std::sync::atomic::{AtomicUsize, Ordering};

/// About how much all maps together take where the system sets no limit.
const ALL: usize = 64 << 40;
/// The largest map that a store begins with.
const MOST: usize = 1 << 40;
/// A store gets this fraction of what is left.
const PART: usize = 64;
/// A store gets at least this fraction of the total: 1 GiB, with room for tens of thousands more beyond it.
const LEAST_PART: usize = 1 << 16;

/// Sizes of maps are rounded up to this: a multiple of every system's page size.
pub(crate) const GRAIN: usize = 64 << 10;

/// The address space that the maps of this process take.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Returns the size of the map of one more store.
pub(crate) fn share() -> usize {
    let all = granted().map_or(ALL, |granted| ALL.min(granted / 4));
    let left = all.saturating_sub(TAKEN.load(Ordering::Relaxed));
    let share = (left / PART).clamp(all / LEAST_PART, MOST);
    share.next_multiple_of(GRAIN)
}

/// Returns the limit that the system sets for the process, if it reports one.
#[cfg(unix)]
fn granted() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn granted() -> Option<usize> {
    None
}

/// The address space of a map, counted as long as it lives.
#[derive(Debug)]
pub(crate) struct Taken(usize);

impl Taken {
    pub(crate) fn new(bytes: usize) -> Self {
        TAKEN.fetch_add(bytes, Ordering::Relaxed);
        Taken(bytes)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        TAKEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}
