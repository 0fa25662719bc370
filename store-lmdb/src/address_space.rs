//! How much of the address space of the process the maps of stores take.
//!
//! A map takes address space, not memory, and must not be outgrown often, as growing waits for snapshots. So a store that is alone
//! gets a map that it never outgrows. A process has 128 TiB on most systems, and what the last map leaves of it is all that
//! anything else can be allocated from: so all stores together get half of that, or a quarter of what the process is limited to;
//! each gets a part of what is left, and at least a little.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What all maps together take, about, where the system sets no limit.
const ALL: usize = 64 << 40;
/// The largest map that a store begins with.
const MOST: usize = 1 << 40;
/// Which part of what is left a store gets.
const PART: usize = 64;
/// Which part of all a store gets at least: 1 GiB, of which there is room for tens of thousands beyond all.
const LEAST_PART: usize = 1 << 16;

/// What sizes of maps are rounded up to: a multiple of every system's page size.
pub(crate) const GRAIN: usize = 64 << 10;

/// What the maps of this process take.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// The size of the map of one more store.
pub(crate) fn share() -> usize {
    let all = granted().map_or(ALL, |granted| ALL.min(granted / 4));
    let left = all.saturating_sub(TAKEN.load(Ordering::Relaxed));
    let share = (left / PART).clamp(all / LEAST_PART, MOST);
    share.next_multiple_of(GRAIN)
}

/// What the system grants the process, where it says so.
#[cfg(unix)]
fn granted() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::As).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn granted() -> Option<usize> {
    None
}

/// The address space of a map, counted for as long as it lives.
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
