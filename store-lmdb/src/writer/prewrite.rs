//! Zeros ahead of the end of the data file.
//!
//! When a commit makes the file longer, the file system has to write down where the new pages are, which takes about
//! as long as the pages themselves. Over existing zeros, only the pages are written. So zeros are written a step
//! ahead, while LMDB's lock is held: nobody else writes there then. LMDB ignores everything behind its last page.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// How much is written ahead at once, in bytes. About one commit in twenty waits for it: 4 MiB at once took longer
/// than they saved.
const STEP: u64 = 512 << 10;
/// What a commit has to write at least, in addition to its records: about as many pages as the tree of the log is
/// deep.
const PAGES: u64 = 32 << 10;
/// Commits that make the file longer by more than this are as fast without zeros: each byte is written twice.
/// Measured in `bench/RESULTS.md`.
const LARGEST_COMMIT: u64 = 48 << 10;

/// The end of the data file.
#[derive(Default)]
pub(super) struct Prewrite {
    /// Whether it has written any zeros.
    has_written: bool,
    /// The length of the file, as far as it is known.
    length: u64,
    /// How much of it LMDB uses.
    used: u64,
    /// About how much longer a commit makes that.
    usual: u64,
    /// Whether the next commit has to do without zeros.
    is_held_off: bool,
}

impl Prewrite {
    /// Writes zeros when few are left behind `used`, the end of what LMDB uses. To be called under its lock.
    pub(super) fn ahead_of(&mut self, used: u64, mut file: &File) -> io::Result<()> {
        let grown = used.saturating_sub(self.used);
        self.used = used;
        // Decreases slowly: a commit that finds free pages does not mean that the next one will.
        self.usual = grown.min(2 * LARGEST_COMMIT).max(self.usual * 7 / 8);
        if std::mem::take(&mut self.is_held_off) {
            return Ok(());
        }
        let commit = self.usual + PAGES;
        if used + 2 * commit <= self.length || self.usual > LARGEST_COMMIT {
            return Ok(());
        }
        self.length = file.metadata()?.len();
        if used + 2 * commit > self.length {
            let from = self.length.max(used);
            self.has_written = true;
            file.seek(SeekFrom::Start(from))?;
            file.write_all(&vec![0; STEP as usize])?;
            self.length = from + STEP;
        }
        Ok(())
    }

    /// Forgets the length of the file after a failed commit, and writes no zeros for the next one, which may need
    /// the room.
    pub(super) fn hold_off(&mut self) {
        self.length = 0;
        self.is_held_off = true;
    }

    /// Returns whether the file is shorter than what LMDB uses after a commit.
    pub(super) fn is_too_short(&mut self, used: u64, file: &File) -> io::Result<bool> {
        if used > self.length {
            self.length = file.metadata()?.len();
        }
        Ok(used > self.length)
    }

    /// Forgets what is known of the file, and returns whether there are zeros to [cut off](cut_off).
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(self).has_written
    }
}

/// Cuts off the zeros that were not needed. To be called under LMDB's lock.
pub(super) fn cut_off(used: u64, file: &File) -> io::Result<()> {
    if file.metadata()?.len() > used {
        file.set_len(used)?;
    }
    Ok(())
}
