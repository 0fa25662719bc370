//! Checks for room on the disk.

use crate::files::Files;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Returns whether `bytes` more cannot be written to the data file, judged by a file next to it.
///
/// A commit that runs out of disk space in the middle of a write fails with a mere I/O error. This writes as many
/// bytes, at the same distance from the start, to a file of its own.
pub(super) fn is_used_up(files: &Files, bytes: usize) -> bool {
    let probe = files.directory().join("probe.tmp");
    let data = files.data();
    let written = data.and_then(|data| write_after(&probe, &data, bytes));
    let _ = fs::remove_file(&probe);
    written.is_err_and(|error| crate::error::is_disk_full(&error.into()))
}

fn write_after(probe: &Path, data: &File, bytes: usize) -> io::Result<()> {
    /// For the pages of the index, about.
    const INDEX: usize = 1 << 20;
    let offset = data.metadata()?.len();
    let mut file = File::create(probe)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&vec![0; bytes + INDEX])?;
    file.sync_all()
}
