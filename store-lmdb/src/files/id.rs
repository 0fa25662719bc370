//! The identity of a file, whatever its path.

#[cfg(unix)]
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
#[cfg(unix)]
use std::time::SystemTime;

/// The identity of a file: as long as somebody has it open, no other file has the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileId(Number);

/// Its device, its inode, and its creation time where the file system notes it: inodes are reused.
#[cfg(unix)]
type Number = (u64, u64, Option<SystemTime>);
/// Its path: on other systems an open file cannot be removed or renamed.
#[cfg(not(unix))]
type Number = PathBuf;

#[cfg(unix)]
fn id(metadata: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    FileId((metadata.dev(), metadata.ino(), metadata.created().ok()))
}

#[cfg(unix)]
pub(super) fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt;
    metadata.mode() & 0o777
}

#[cfg(unix)]
pub(super) fn id_at(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().as_ref().map(id)
}

#[cfg(unix)]
pub(super) fn id_of(file: &File, _: &Path, _: &str) -> io::Result<FileId> {
    Ok(id(&file.metadata()?))
}

#[cfg(unix)]
pub(super) fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
pub(super) fn mode(_: &fs::Metadata) -> u32 {
    0
}

#[cfg(not(unix))]
pub(super) fn id_at(path: &Path) -> Option<FileId> {
    fs::canonicalize(path).ok().map(FileId)
}

#[cfg(not(unix))]
pub(super) fn id_of(_: &File, directory: &Path, name: &str) -> io::Result<FileId> {
    fs::canonicalize(directory.join(name)).map(FileId)
}

#[cfg(not(unix))]
pub(super) fn is_removed(_: &File) -> bool {
    false
}
