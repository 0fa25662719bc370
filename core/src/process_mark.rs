//! For authors of stores: whether a process is a child of the one that opened something.

use std::fmt;

/// Tells a process from the children that it forks.
///
/// A child has a copy of all memory, but none of the threads, and shares open files with its parent. So a store
/// that was opened before a fork is not to be used in the child: it makes a mark where it opens its files, and
/// refuses where the mark [is not here](ProcessMark::is_here). To look costs about a nanosecond, and no system call.
///
/// What `fork` of the C library does is noticed, whoever calls it: also in a child of a child, and in a process that
/// got the id of one that ended. A child that the system call `clone` makes behind the library's back is not; such a
/// child cannot rely on the C library either.
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
    /// A count of the forks that led to this process.
    #[cfg(unix)]
    Forks(forkguard::atfork::Guard),
    /// The id of the process, when the system had no memory left for noticing forks.
    #[cfg(unix)]
    Process(u32),
    /// Where processes are not forked.
    #[cfg(not(unix))]
    Always,
}

impl ProcessMark {
    /// A mark of this process.
    #[must_use]
    pub fn here() -> Self {
        #[cfg(unix)]
        let mark = forkguard::atfork::Guard::try_new()
            .map_or_else(|_| Mark::Process(std::process::id()), Mark::Forks);
        #[cfg(not(unix))]
        let mark = Mark::Always;
        ProcessMark(mark)
    }

    /// Whether this is the process that made the mark, and not a child that was forked since.
    #[must_use]
    pub fn is_here(&self) -> bool {
        match &self.0 {
            // It notes what it has told: the mark is to tell it again.
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
