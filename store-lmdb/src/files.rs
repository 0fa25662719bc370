//! The files of a store: which ones were opened, whatever lies at their paths later.
//!
//! LMDB opens files by their paths, and a path may lead elsewhere a moment later: a directory is renamed, a backup is put
//! in its place. So what a store has opened is remembered by device and inode, and looked at again before it is relied on.

use crate::error::file_failure;
use crate::locks::{self, NameSpace};
use crate::options::LmdbOptions;
use midgard::StoreError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
#[cfg(unix)]
use std::time::SystemTime;

/// The file that has everything.
pub(crate) const DATA: &str = "data.mdb";
/// The file by which processes that have the store open keep out of each other's way.
const LOCK: &str = "lock.mdb";

/// Which file it is: as long as somebody has it open, no other is the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct FileId(Number);

/// Its device, its inode there, and when that was made, where the file system notes it: inodes are used again.
#[cfg(unix)]
type Number = (u64, u64, Option<SystemTime>);
/// Its path: what is open on other systems cannot be removed or renamed.
#[cfg(not(unix))]
type Number = PathBuf;

/// Which files a store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) data: FileId,
    pub(crate) lock: FileId,
}

/// The files of a store that is open.
pub(crate) struct Files {
    directory: PathBuf,
    identity: Identity,
    open: Mutex<Option<Handles>>,
    /// Whether the lock that LMDB takes with the first read was seen.
    saw_lock: AtomicBool,
}

/// The files, while they are open.
struct Handles {
    data: Arc<File>,
    /// To be closed after LMDB has closed its own: closing one gives up all locks that the process has on the file.
    lock: File,
}

impl Files {
    /// Opens the files of a store, and makes those that are not there. Not to be called while this process has the same lock
    /// file open.
    pub(crate) fn open(directory: &Path, options: &LmdbOptions) -> Result<Self, StoreError> {
        let mode = options.file_mode;
        let data = open_file(&directory.join(DATA), Some(mode))?;
        refuse_other_name_spaces(directory, &data)?;
        let lock = open_file(&directory.join(LOCK), Some(mode))?;
        let failed = file_failure("look at its files", directory);
        let identity = Identity {
            data: id_of(&data, directory, DATA).map_err(&failed)?,
            lock: id_of(&lock, directory, LOCK).map_err(&failed)?,
        };
        Ok(Files {
            directory: directory.to_owned(),
            identity,
            open: Mutex::new(Some(Handles {
                data: Arc::new(data),
                lock,
            })),
            saw_lock: AtomicBool::new(false),
        })
    }

    /// Closes them. To be called when LMDB has closed its own.
    pub(crate) fn close(&self) {
        *self.handles() = None;
    }

    /// Opens them again if they were closed, and are what they were.
    pub(crate) fn open_again(&self) -> Result<(), StoreError> {
        let mut open = self.handles();
        if open.is_some() {
            return Ok(());
        }
        self.look_for(None)?;
        let data = open_file(&self.directory.join(DATA), None)?;
        refuse_other_name_spaces(&self.directory, &data)?;
        let lock = open_file(&self.directory.join(LOCK), None)?;
        let handles = Handles {
            data: Arc::new(data),
            lock,
        };
        // They may have been replaced meanwhile.
        self.is_of(&handles.data)?;
        *open = Some(handles);
        Ok(())
    }

    fn handles(&self) -> MutexGuard<'_, Option<Handles>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The file that has everything, while it is open. It is written to under LMDB's lock alone.
    pub(crate) fn data(&self) -> io::Result<Arc<File>> {
        let open = self.handles();
        let open = open.as_ref().map(|open| open.data.clone());
        open.ok_or_else(|| io::Error::other("the store's files are closed"))
    }

    /// To be called when LMDB has opened its files: tells whether they are these.
    pub(crate) fn opened(&self, data: &File) -> Result<(), StoreError> {
        self.saw_lock.store(false, Ordering::Relaxed);
        self.is_of(data)?;
        self.look()
    }

    /// An error when a file is not the one that has everything.
    fn is_of(&self, data: &File) -> Result<(), StoreError> {
        let id = id_of(data, &self.directory, DATA);
        match id.map_err(file_failure("look at its files", &self.directory))? == self.identity.data
        {
            true => Ok(()),
            false => Err(self.is_another()),
        }
    }

    /// Looks whether the paths still lead to these files, and whether the process still has its locks on them.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        let open = self.handles();
        let open = open.as_ref();
        self.look_for(open)?;
        match open.is_none_or(|open| self.has_locks(&open.lock)) {
            true => Ok(()),
            false => Err(self.lost(NO_LOCKS)),
        }
    }

    /// Looks whether the paths still lead to these files.
    pub(crate) fn look_at_paths(&self) -> Result<(), StoreError> {
        self.look_for(self.handles().as_ref())
    }

    fn look_for(&self, open: Option<&Handles>) -> Result<(), StoreError> {
        let [data, lock] = ids_at(&self.directory);
        if data.as_ref() != Some(&self.identity.data) {
            return Err(self.lost(match data {
                _ if open.is_some_and(|open| is_removed(&open.data)) => REMOVED,
                None if open.is_none() => GONE,
                None => MOVED,
                Some(_) => OTHER,
            }));
        }
        if lock.as_ref() != Some(&self.identity.lock) {
            return Err(self.lost(NO_LOCK_FILE));
        }
        Ok(())
    }

    /// Whether LMDB still has its locks on the lock file.
    fn has_locks(&self, lock: &File) -> bool {
        if locks::is_held_by_this_process(lock) {
            self.saw_lock.store(true, Ordering::Relaxed);
            return true;
        }
        // LMDB takes it with the first read only.
        !self.saw_lock.load(Ordering::Relaxed) && locks::is_held(lock)
    }

    /// What lies at the paths is another store.
    pub(crate) fn is_another(&self) -> StoreError {
        self.lost(OTHER)
    }

    fn lost(&self, reason: &str) -> StoreError {
        StoreError::Lost {
            path: self.directory.clone(),
            reason: reason.to_owned(),
        }
    }
}

const REMOVED: &str = "its data.mdb was removed while it was open; what is in it is gone when the last handle is dropped, \
    so make a backup of it now if there is none, and restore that";
const MOVED: &str =
    "its files were moved away while it was open; drop its handles, and open it where it is now";
const GONE: &str = "its files were moved away or removed since it was used last; drop its handles, and open it where it is now";
const OTHER: &str = "its data.mdb was replaced by another file while it was open; drop its handles, and open it again";
const NO_LOCK_FILE: &str = "its lock.mdb was removed or replaced while it was open, so that processes do not know of \
    each other any more; drop its handles in all processes, and open it again";
const NO_LOCKS: &str = "the locks on its lock.mdb were given up, as something in this process has opened and closed that \
    file, perhaps to copy it; leave the file alone, drop the store's handles in this process, and open it again";

/// An error when a process has the store open to which this one has another id than it has for itself, or none.
fn refuse_other_name_spaces(directory: &Path, data: &File) -> Result<(), StoreError> {
    let is_alone = NameSpace::here().map_or(Ok(true), |here| here.is_the_only_one(data));
    if is_alone.map_err(file_failure("lock its files", directory))? {
        return Ok(());
    }
    Err(StoreError::Backend {
        action: "open its files",
        source: format!(
            "{} is open in another name space of process ids, as that of another container, and LMDB's locks do not work \
             across; run all that use it in one (docker run --pid, shareProcessNamespace), or let one serve the others",
            directory.display()
        )
        .into(),
    })
}

/// The files at the paths of a store, as far as they are there.
pub(crate) fn ids_at(directory: &Path) -> [Option<FileId>; 2] {
    [DATA, LOCK].map(|name| id_at(&directory.join(name)))
}

/// Flushes a directory, so that files that were made in it are found after a power cut.
pub(crate) fn flush_directory(directory: &Path) -> io::Result<()> {
    // Windows has no such thing.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Opens a file; makes it where there is none, if it is said for whom.
fn open_file(path: &Path, mode: Option<u32>) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(mode.is_some());
    #[cfg(unix)]
    if let Some(mode) = mode {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    }
    options
        .open(path)
        .map_err(file_failure("open its files", path))
}

#[cfg(unix)]
fn id(metadata: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    FileId((metadata.dev(), metadata.ino(), metadata.created().ok()))
}

#[cfg(unix)]
fn id_at(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().as_ref().map(id)
}

#[cfg(unix)]
fn id_of(file: &File, _: &Path, _: &str) -> io::Result<FileId> {
    Ok(id(&file.metadata()?))
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|metadata| metadata.nlink() == 0)
}

#[cfg(not(unix))]
fn id_at(path: &Path) -> Option<FileId> {
    fs::canonicalize(path).ok().map(FileId)
}

#[cfg(not(unix))]
fn id_of(_: &File, directory: &Path, name: &str) -> io::Result<FileId> {
    fs::canonicalize(directory.join(name)).map(FileId)
}

#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false
}
