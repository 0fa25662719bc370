//! Opening and creating files: their modes, and their room on the disk.

use crate::error::{file_failure, is_out_of_room};
use midgard::store::StoreError;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// The owner's right to read and write a file.
pub(crate) const OWNER: u32 = 0o600;

/// Opens a file; creates it if there is none and a mode is given.
pub(super) fn open_file(path: &Path, mode: Option<u32>) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(mode.is_some());
    with_mode(&mut options, mode.unwrap_or(OWNER))
        .open(path)
        .map_err(file_failure("open its files", path))
}

/// Reserves room for the slots of readers: without it, LMDB's first touch of a slot ends the process. An existing
/// lock file has to do as it is, so that a store on a full disk can be opened.
pub(super) fn reserve_slots(lock: &File, max_readers: u32) -> io::Result<()> {
    /// The most that LMDB takes for each slot, and in all besides.
    const SLOT: u64 = 64;
    const HEADER: u64 = 4096;
    let is_new = lock.metadata()?.len() == 0;
    let reserved = reserve(lock, HEADER + u64::from(max_readers) * SLOT);
    if is_new { reserved } else { Ok(()) }
}

/// Reserves room on the disk for the first bytes of a file, without changing its length. Returns an error if there is
/// none.
#[cfg(target_os = "linux")]
pub(crate) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use nix::fcntl::{FallocateFlags, fallocate};
    let bytes = i64::try_from(bytes).map_err(io::Error::other)?;
    let reserved = fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, bytes);
    match reserved.map_err(io::Error::from) {
        Err(error) if is_out_of_room(&error) => Err(error),
        // Not all file systems can do this.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn reserve(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

/// Sets the mode of a file, in case it is created.
#[cfg(unix)]
pub(crate) fn with_mode(options: &mut OpenOptions, mode: u32) -> &OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode)
}

#[cfg(not(unix))]
pub(crate) fn with_mode(options: &mut OpenOptions, _: u32) -> &OpenOptions {
    options
}

/// Flushes a directory, so that files created in it are found after a power cut.
pub(crate) fn flush_directory(directory: &Path) -> io::Result<()> {
    // Windows has no such operation.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}
