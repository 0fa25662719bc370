//! For authors of stores: detects whether this process is a child of the one that opened a store.

use std::fmt;

/// Distinguishes a process from its forked children.
///
/// A child has a copy of all memory, but none of the threads, and shares open files with its parent. So a store
/// opened before a fork must not be used in the child: it makes a mark when it opens its files, and refuses to work
/// when the mark [is not here](ProcessMark::is_here). The check costs about a nanosecond, and no system call.
///
/// Every `fork` of the C library is noticed, whoever calls it, also in a child of a child, and in a process that
/// reuses the id of one that ended. A child made by the system call `clone` without the library is not noticed; such
/// a child cannot rely on the C library either.
///
/// ```
/// use midgard::store::ProcessMark;
///
/// let opened = ProcessMark::here();
/// assert!(opened.is_here()); // false in a child that is forked from now on
/// ```
#[derive(Clone)]
pub struct ProcessMark(Mark);

#[derive(Clone)]
enum Mark {
    /// The number of forks that led to this process.
    #[cfg(unix)]
    Forks(forkguard::atfork::Guard),
    /// The id of the process, when the system had no memory left to watch for forks.
    #[cfg(unix)]
    Process(u32),
    /// On platforms without `fork`.
    #[cfg(not(unix))]
    Always,
}

impl ProcessMark {
    /// Returns a mark of this process.
    #[must_use]
    pub fn here() -> Self {
        #[cfg(unix)]
        let mark = forkguard::atfork::Guard::try_new()
            .map_or_else(|_| Mark::Process(std::process::id()), Mark::Forks);
        #[cfg(not(unix))]
        let mark = Mark::Always;
        ProcessMark(mark)
    }

    /// Returns whether this process made the mark, and is not a child forked since.
    #[must_use]
    pub fn is_here(&self) -> bool {
        match &self.0 {
            // A guard reports a fork only once: checking a clone keeps the mark as it is.
            #[cfg(unix)]
            Mark::Forks(guard) => !guard.clone().detected_fork(),
            #[cfg(unix)]
            Mark::Process(id) => *id == std::process::id(),
            #[cfg(not(unix))]
            Mark::Always => true,
        }
    }
}

impl fmt::Debug for ProcessMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessMark").field(&self.is_here()).finish()
    }
}
