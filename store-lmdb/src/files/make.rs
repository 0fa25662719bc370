//! Files that are opened or made, for whom, and with room on the disk.

use crate::error::{file_failure, is_out_of_room};
use midgard::store::StoreError;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// The right of the owner of a file to read and write it.
pub(crate) const OWNER: u32 = 0o600;

/// Opens a file; makes it where there is none, if it is said for whom.
pub(super) fn open_file(path: &Path, mode: Option<u32>) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(mode.is_some());
    with_mode(&mut options, mode.unwrap_or(OWNER))
        .open(path)
        .map_err(file_failure("open its files", path))
}

/// Sees that there is room for the slots of readers: where there is none, LMDB's first touch of one ends the process. A lock file
/// that was there before has to do as it is, so that a store on a full disk can be opened.
pub(super) fn reserve_slots(lock: &File, max_readers: u32) -> io::Result<()> {
    /// What LMDB has for each, at most, and in all beside them.
    const SLOT: u64 = 64;
    const HEADER: u64 = 4096;
    let is_new = lock.metadata()?.len() == 0;
    let reserved = reserve(lock, HEADER + u64::from(max_readers) * SLOT);
    if is_new { reserved } else { Ok(()) }
}

/// Takes room on the disk for the first bytes of a file, which keeps its length. An error where there is none.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
    let reserved = fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, bytes);
    match reserved.map_err(io::Error::from) {
        Err(error) if is_out_of_room(&error) => Err(error),
        // Not all file systems can.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Says who may read and write a file, should it be made.
#[cfg(unix)]
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode)
}

#[cfg(not(unix))]
pub(crate) fn with_mode(options: &mut OpenOptions, _: u32) -> &OpenOptions {
    options
}

/// Flushes a directory, so that files that were made in it are found after a power cut.
pub(crate) fn flush_directory(directory: &Path) -> io::Result<()> {
    // Windows has no such thing.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
