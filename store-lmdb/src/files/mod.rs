//! The files of a store: the ones that were opened, whatever lies at their paths later.
//!
//! LMDB opens files by their paths, and a path may lead elsewhere a moment later: a directory is renamed, or a backup
//! is put in its place. So a store remembers its files by device and inode, and checks them before it relies on them.

mod id;
mod make;

pub(crate) use id::FileId;
pub(crate) use make::{OWNER, flush_directory, reserve, with_mode};

use id::{id_at, id_of, is_removed, mode};
use make::{open_file, reserve_slots};

use crate::error::file_failure;
use crate::locks::{self, NameSpace};
use crate::options::LmdbOptions;
use midgard::store::StoreError;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The data file, which holds everything.
pub(crate) const DATA: &str = "data.mdb";
/// The lock file, by which processes that have the store open coordinate.
const LOCK: &str = "lock.mdb";

/// The identity of a store's files. A store that is only read may have no lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) data: FileId,
    pub(crate) lock: Option<FileId>,
}

/// What a store was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Write,
    /// Only the lock file is written to: other processes know of the reads here, and may write.
    Read,
    /// The lock file is missing or cannot be written to: nobody may write.
    ReadWithoutLocks,
}

/// The files of a store that is open.
pub(crate) struct Files {
    directory: PathBuf,
    access: Access,
    identity: Identity,
    open: Mutex<Option<Handles>>,
    /// Whether the lock that LMDB takes with the first read was seen.
    saw_lock: AtomicBool,
}

/// The open files.
struct Handles {
    data: Arc<File>,
    /// To be closed after LMDB has closed its own: closing one releases all locks that the process has on the file.
    lock: Option<File>,
}

impl Handles {
    fn new(data: File, lock: Option<File>) -> Self {
        Handles {
            data: Arc::new(data),
            lock,
        }
    }
}

impl Files {
    /// Opens the files of a store, and creates missing ones unless it is only to be read. Not to be called while this
    /// process has the same lock file open.
    pub(crate) fn open(directory: &Path, options: &LmdbOptions) -> Result<Self, StoreError> {
        if options.read_only {
            return Self::open_read_only(directory);
        }
        let mode = options.file_mode;
        let data = open_file(&directory.join(DATA), Some(mode))?;
        refuse_other_name_spaces(directory, &data)?;
        let lock = open_file(&directory.join(LOCK), Some(mode))?;
        reserve_slots(&lock, options.max_readers)
            .map_err(file_failure("make its files", directory))?;
        Self::of(directory, Access::Write, data, Some(lock))
    }

    fn open_read_only(directory: &Path) -> Result<Self, StoreError> {
        let (data, lock) = (directory.join(DATA), directory.join(LOCK));
        let failed = |path| file_failure(READ_ONLY, path);
        let data = File::open(&data).map_err(failed(&data))?;
        let opened = OpenOptions::new().read(true).write(true).open(&lock);
        match opened {
            Ok(lock) => {
                refuse_other_name_spaces(directory, &data)?;
                Self::of(directory, Access::Read, data, Some(lock))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound
                        | ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                // Its locks show whether others have the store open.
                let lock = File::open(lock).ok();
                let files = Self::of(directory, Access::ReadWithoutLocks, data, lock)?;
                match files.wait_for_others() {
                    Err(StoreError::Lost { .. }) => Err(StoreError::Backend {
                        action: READ_ONLY,
                        cause: format!("{}: {OTHERS}", directory.display()).into(),
                    }),
                    refused => refused.map(|()| files),
                }
            }
            Err(error) => Err(failed(&lock)(error)),
        }
    }

    fn of(
        directory: &Path,
        access: Access,
        data: File,
        lock: Option<File>,
    ) -> Result<Self, StoreError> {
        let failed = file_failure("look at its files", directory);
        let identity = Identity {
            data: id_of(&data, directory, DATA).map_err(&failed)?,
            lock: match &lock {
                Some(lock) => Some(id_of(lock, directory, LOCK).map_err(&failed)?),
                // It may be there and not readable.
                None => id_at(&directory.join(LOCK)),
            },
        };
        Ok(Files {
            directory: directory.to_owned(),
            access,
            identity,
            open: Mutex::new(Some(Handles::new(data, lock))),
            saw_lock: AtomicBool::new(false),
        })
    }

    /// Closes them. To be called after LMDB has closed its own.
    pub(crate) fn close(&self) {
        *self.handles() = None;
    }

    /// Reopens them if they were closed and are still the same.
    pub(crate) fn open_again(&self) -> Result<(), StoreError> {
        let mut open = self.handles();
        if open.is_some() {
            return Ok(());
        }
        self.look_for(None)?;
        let (data, lock) = (self.directory.join(DATA), self.directory.join(LOCK));
        let data = match self.access {
            Access::Write => open_file(&data, None),
            _ => File::open(&data).map_err(file_failure(READ_ONLY, &data)),
        }?;
        let lock = match self.access {
            Access::ReadWithoutLocks => File::open(lock).ok(),
            Access::Write | Access::Read => {
                refuse_other_name_spaces(&self.directory, &data)?;
                Some(open_file(&lock, None)?)
            }
        };
        // They may have been replaced meanwhile.
        self.expect(&data)?;
        *open = Some(Handles::new(data, lock));
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

    pub(crate) const fn access(&self) -> Access {
        self.access
    }

    /// Returns the data file, which is open. It is written to under LMDB's lock alone.
    pub(crate) fn data(&self) -> io::Result<Arc<File>> {
        let open = self.handles();
        let open = open.as_ref().map(|open| open.data.clone());
        open.ok_or_else(|| io::Error::other("the store's files are closed"))
    }

    /// Returns the mode for a copy of the data file: the same as this one's, and readable and writable for its owner.
    pub(crate) fn mode(&self) -> u32 {
        let metadata = self.data().and_then(|data| data.metadata());
        OWNER | metadata.map_or(0, |metadata| mode(&metadata))
    }

    /// Checks that the files that LMDB has opened are these.
    pub(crate) fn opened(&self, data: &File) -> Result<(), StoreError> {
        self.saw_lock.store(false, Ordering::Relaxed);
        self.expect(data)?;
        self.look()
    }

    /// Returns an error if a file is not the data file.
    fn expect(&self, data: &File) -> Result<(), StoreError> {
        let id = id_of(data, &self.directory, DATA);
        match id.map_err(file_failure("look at its files", &self.directory))? == self.identity.data
        {
            true => Ok(()),
            false => Err(self.is_another()),
        }
    }

    /// Checks that the paths still lead to these files, and that the process still has its locks on them.
    pub(crate) fn look(&self) -> Result<(), StoreError> {
        let open = self.handles();
        self.look_for(open.as_ref())?;
        let Some(open) = open.as_ref() else {
            return Ok(());
        };
        self.refuse_others_than(open)?;
        match self.has_locks(open) {
            true => Ok(()),
            false => Err(self.lost(NO_LOCKS)),
        }
    }

    /// Returns an error if others have the store open and cannot know of the reads here.
    pub(crate) fn refuse_others(&self) -> Result<(), StoreError> {
        if self.access != Access::ReadWithoutLocks {
            return Ok(());
        }
        let open = self.handles();
        open.as_ref()
            .map_or(Ok(()), |open| self.refuse_others_than(open))
    }

    /// As [`refuse_others`](Files::refuse_others), but waits a little: while a process starts another program, that
    /// program has the store open for a moment even if the process closes it.
    fn wait_for_others(&self) -> Result<(), StoreError> {
        const TRIES: usize = 20;
        for _ in 1..TRIES {
            if self.refuse_others().is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.refuse_others()
    }

    fn refuse_others_than(&self, open: &Handles) -> Result<(), StoreError> {
        if self.access != Access::ReadWithoutLocks {
            return Ok(());
        }
        let others = locks::is_open_elsewhere(&open.data, open.lock.as_ref());
        match others.map_err(file_failure(READ_ONLY, &self.directory))? {
            false => Ok(()),
            true => Err(self.lost(OTHERS)),
        }
    }

    /// Returns whether the data file no longer has a name.
    pub(crate) fn is_removed(&self) -> bool {
        let open = self.handles();
        open.as_ref().is_some_and(|open| is_removed(&open.data))
    }

    /// Checks that the paths still lead to these files.
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
        if self.access != Access::ReadWithoutLocks && lock != self.identity.lock {
            return Err(self.lost(NO_LOCK_FILE));
        }
        Ok(())
    }

    /// Returns whether LMDB still has its locks on the lock file.
    fn has_locks(&self, open: &Handles) -> bool {
        let (Access::Write | Access::Read, Some(lock)) = (self.access, &open.lock) else {
            return true;
        };
        if locks::is_held_by_this_process(lock) {
            self.saw_lock.store(true, Ordering::Relaxed);
            return true;
        }
        // LMDB takes it only with the first read.
        !self.saw_lock.load(Ordering::Relaxed) && locks::is_held(lock)
    }

    /// Returns the error of paths that now lead to another store.
    pub(crate) fn is_another(&self) -> StoreError {
        self.lost(OTHER)
    }

    pub(crate) fn lost(&self, reason: &str) -> StoreError {
        StoreError::Lost {
            path: self.directory.clone(),
            reason: reason.to_owned(),
        }
    }
}

const REMOVED: &str = "its data.mdb was removed while it was open; its contents are lost when the last handle is dropped, \
    so make a backup now if there is none, and restore it";
const MOVED: &str =
    "its files were moved away while it was open; drop its handles, and open it where it is now";
const GONE: &str = "its files were moved away or removed since its last use; drop its handles, and open it where it is now";
const OTHER: &str = "its data.mdb was replaced by another file while it was open; drop its handles, and open it again";
const NO_LOCK_FILE: &str = "its lock.mdb was removed or replaced while it was open, so processes no longer know of \
    each other; drop its handles in all processes, and open it again";
const NO_LOCKS: &str = "the locks on its lock.mdb were released, because something in this process has opened and closed that \
    file, perhaps to copy it; leave the file alone, drop the store's handles in this process, and open it again";

pub(crate) const OTHERS: &str = "another process has it open, and cannot know of reads here, because this process cannot write to its \
    lock.mdb; give this process's user permission to write to that file, or read a backup";

/// The operation that fails.
const READ_ONLY: &str = "open it read-only";

/// Returns an error if a process has the store open whose id here differs from its own id there, or that has none
/// here.
fn refuse_other_name_spaces(directory: &Path, data: &File) -> Result<(), StoreError> {
    let is_alone = NameSpace::here().map_or(Ok(true), |here| here.is_the_only_one(data));
    if is_alone.map_err(file_failure("lock its files", directory))? {
        return Ok(());
    }
    Err(StoreError::Backend {
        action: "open its files",
        cause: format!(
            "{} is open in another namespace of process ids, such as that of another container, and LMDB's locks do not work \
             across namespaces; run all processes that use it in one (docker run --pid, shareProcessNamespace), or let one process serve the others",
            directory.display()
        )
        .into(),
    })
}

/// Returns the identities of the files at the paths of a store; `None` for missing ones.
pub(crate) fn ids_at(directory: &Path) -> [Option<FileId>; 2] {
    [DATA, LOCK].map(|name| id_at(&directory.join(name)))
}
