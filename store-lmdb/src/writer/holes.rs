//! Pages inside the data file that were never written.
//!
//! A transaction that takes pages at the end of the file, and gives some of them back, never writes those: the file
//! has holes there. A later transaction writes there, and if its flush fails, nothing written there afterwards is
//! certain, as [`repair`](super::repair) explains; nor could the file be cut before them. So the next transaction
//! first writes zeros there. LMDB reuses the pages only in the one after that.

use std::fs::File;
use std::io;
use std::ops::Range;

/// The most that is written at once: a file that lacks more than this is damaged, or a sparse copy.
const MOST: u64 = 64 << 20;

/// What is known of the holes.
#[derive(Default)]
pub(super) struct Holes {
    /// There are none up to here.
    seen: u64,
    /// Holes that were filled with zeros and not flushed yet.
    filled: Vec<Range<u64>>,
    /// The last transaction when they were filled.
    committed: u64,
}

impl Holes {
    /// Writes zeros into the holes before `used`, the end of what LMDB uses. To be called under its lock.
    pub(super) fn fill(&mut self, used: u64, committed: u64, file: &File) -> io::Result<()> {
        if self.seen >= used {
            return Ok(());
        }
        self.committed = committed;
        let is_first = self.seen == 0;
        let mut written = 0;
        while let Some(hole) = system::next_hole(file, self.seen..used)? {
            let length = hole.end - hole.start;
            written += length;
            if written > MOST {
                self.seen = used;
                return Ok(());
            }
            if system::has_only_zeros(file, &hole)? {
                self.filled.push(hole.clone());
                system::write_zeros(file, &hole)?;
            }
            self.seen = hole.end;
        }
        self.seen = used;
        if is_first && written > 0 {
            // Older transactions' pages may be reused at once.
            file.sync_data()?;
            self.filled.clear();
        }
        Ok(())
    }

    /// Notes that a commit has flushed the file.
    pub(super) fn flushed(&mut self) {
        self.filled.clear();
    }

    /// Makes holes again where zeros may not have been flushed, so that the system forgets them. To be called under
    /// LMDB's lock, after a failed commit.
    pub(super) fn undo(&mut self, used: u64, committed: u64, file: &File) -> io::Result<()> {
        self.seen = self.seen.min(used);
        for hole in std::mem::take(&mut self.filled) {
            self.seen = self.seen.min(hole.start);
            // Another process may have written there since.
            if committed == self.committed {
                system::make_hole(file, &hole)?;
            }
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
mod system {
    use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
    use rustix::io::Errno;
    use std::fs::File;
    use std::io::{self, Read, Seek, Write};
    use std::ops::Range;

    pub(super) fn next_hole(file: &File, range: Range<u64>) -> io::Result<Option<Range<u64>>> {
        // There is nothing behind the end of the file, either.
        let start = match seek(file, SeekFrom::Hole(range.start)) {
            Err(Errno::NXIO) => range.start,
            start => start?,
        };
        if start >= range.end {
            return Ok(None);
        }
        let end = match seek(file, SeekFrom::Data(start)) {
            Err(Errno::NXIO) => range.end,
            end => end?.min(range.end),
        };
        Ok(Some(start..end))
    }

    /// Returns whether it contains only zeros: a file system with wrong holes must not cost any data.
    pub(super) fn has_only_zeros(mut file: &File, hole: &Range<u64>) -> io::Result<bool> {
        let mut bytes = Vec::new();
        file.seek(io::SeekFrom::Start(hole.start))?;
        file.take(hole.end - hole.start).read_to_end(&mut bytes)?;
        Ok(bytes.iter().all(|byte| *byte == 0))
    }

    pub(super) fn write_zeros(mut file: &File, hole: &Range<u64>) -> io::Result<()> {
        file.seek(io::SeekFrom::Start(hole.start))?;
        file.write_all(&vec![0; (hole.end - hole.start) as usize])
    }

    pub(super) fn make_hole(file: &File, hole: &Range<u64>) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(file, flags, hole.start, hole.end - hole.start) {
            // A file system without holes has no filled ones, either.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            made => Ok(made?),
        }
    }
}

/// Systems that are not known to have holes.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    pub(super) fn next_hole(_: &File, _: Range<u64>) -> io::Result<Option<Range<u64>>> {
        Ok(None)
    }

    pub(super) fn has_only_zeros(_: &File, _: &Range<u64>) -> io::Result<bool> {
        Ok(false)
    }

    pub(super) fn write_zeros(_: &File, _: &Range<u64>) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn make_hole(_: &File, _: &Range<u64>) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    const PAGE: u64 = 4096;

    fn is_hole(file: &File, page: u64) -> bool {
        let page = page * PAGE..(page + 1) * PAGE;
        system::next_hole(file, page).unwrap().is_some()
    }

    #[test]
    fn what_was_never_written_gets_zeros_which_are_taken_back_as_long_as_they_are_not_flushed() {
        // The temporary directory's file system may not report holes: then there is nothing to do.
        let mut file = tempfile::tempfile().unwrap();
        for page in [0, 2] {
            file.seek(SeekFrom::Start(page * PAGE)).unwrap();
            file.write_all(&[7; PAGE as usize]).unwrap();
        }
        file.sync_all().unwrap();
        if !is_hole(&file, 1) {
            return;
        }
        let mut holes = Holes::default();
        holes.fill(3 * PAGE, 1, &file).unwrap();
        assert!(!is_hole(&file, 1));
        // The file ends before what is used does.
        holes.fill(4 * PAGE, 2, &file).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 4 * PAGE);
        holes.undo(4 * PAGE, 2, &file).unwrap();
        assert!(is_hole(&file, 3) && !is_hole(&file, 1));

        holes.fill(4 * PAGE, 2, &file).unwrap();
        // Another process has committed meanwhile.
        holes.undo(4 * PAGE, 3, &file).unwrap();
        assert!(!is_hole(&file, 3));
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        io::Read::read_to_end(&mut file, &mut bytes).unwrap();
        let pages: Vec<_> = bytes.chunks(PAGE as usize).map(|page| page[0]).collect();
        assert_eq!(pages, [7, 0, 7, 0]);
    }
}
