//! Backups: copies of a store that is in use.

use super::Progress;
use super::copy::copy;
use crate::LmdbStore;
use crate::error::is_out_of_room;
use crate::files::{self, DATA};
use heed::CompactionOption;
use midgard::Position;
use midgard::store::StoreError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// The name of a backup's file until the backup is complete.
const PARTIAL: &str = "backup.partial";

/// A backup to be made, as returned by [`LmdbStore::backup`].
#[derive(Debug)]
#[must_use = "nothing is copied until `to` names a directory"]
pub struct Backup<'s> {
    store: &'s LmdbStore,
    option: CompactionOption,
}

/// A finished backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackedUp {
    /// The directory of the backup.
    pub path: PathBuf,
    /// The size of its file, in bytes.
    pub bytes: u64,
    /// The backup contains all events up to this position, which is where the log ended when it began, and perhaps
    /// some more.
    pub position: Position,
}

/// Why a backup was not made. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The directory is not empty; a backup never overwrites anything.
    #[error(
        "{} is not empty (there is {found} in it), and nothing is overwritten; name another directory for the backup",
        path.display()
    )]
    NotEmpty {
        /// The directory.
        path: PathBuf,
        /// One of the things in the directory.
        found: String,
    },
    /// The directory contains a backup that another process has begun, and may still be making.
    #[error(
        "{} has a backup that was not finished; name another directory, or remove {PARTIAL} from it when nobody is writing it any more",
        path.display()
    )]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// The disk of the backup, or a quota on it, is used up.
    #[error(
        "there is no room for the backup at {}: it takes about {expected} bytes, of which {done} were written ({cause}); make room, or name another directory",
        path.display()
    )]
    NoRoom {
        /// The directory.
        path: PathBuf,
        /// The number of bytes written.
        done: u64,
        /// About how many bytes the backup would have had.
        expected: u64,
        /// The system's error.
        cause: io::Error,
    },
    /// The `progress` function stopped the backup.
    #[error("the backup at {} was stopped after {done} of about {expected} bytes", path.display())]
    Stopped {
        /// The directory.
        path: PathBuf,
        /// The number of bytes written.
        done: u64,
        /// About how many bytes the backup would have had.
        expected: u64,
    },
    /// The files of the backup cannot be created.
    #[error("could not {action} {}: {cause}", path.display())]
    Files {
        /// The operation that failed.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<'s> Backup<'s> {
    pub(super) const fn new(store: &'s LmdbStore) -> Self {
        Backup {
            store,
            option: CompactionOption::Disabled,
        }
    }

    /// Leaves out free pages, and writes the others in order. This takes longer; how much smaller the copy is depends
    /// on how much was removed. A compacting backup contains no bytes of events that were truncated or tombstoned;
    /// any other backup contains those that `data.mdb` still has.
    pub const fn compacting(mut self) -> Self {
        self.option = CompactionOption::Enabled;
        self
    }

    /// Makes the backup in a directory, which is created unless it exists and is empty. The backup is a store like
    /// any other: to restore it, copy it to the place of the store.
    ///
    /// Its file has another name until the backup is complete; under the right name it is safely on the disk.
    /// `progress` is called for each MiB, and may stop the backup; it must not wait for the store.
    ///
    /// The store can be used meanwhile. No page that is still to be copied is reused before the end, so `data.mdb`
    /// grows with each write. A full map cannot grow either: where maps [begin
    /// small](crate::LmdbOptions::initial_map_size), reads and writes may have to wait until the backup is complete.
    ///
    /// # Errors
    /// [`BackupError::NotEmpty`] when something is in the directory, [`BackupError::NoRoom`] when the disk is full,
    /// [`BackupError::Stopped`] when `progress` breaks. In all cases nothing is left behind.
    pub fn to(
        self,
        directory: impl AsRef<Path>,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<BackedUp, BackupError> {
        let environment = &self.store.0.environment;
        let mut target = Target::new(directory.as_ref(), environment.files().mode())?;
        let position =
            environment.read(|databases, snapshot| databases.log.last_position(snapshot))?;
        let usage = environment.usage()?;
        let expected = match self.option {
            CompactionOption::Enabled => usage.live,
            CompactionOption::Disabled => usage.used,
        };
        let mut done = 0;
        copy(environment, self.option, |bytes| {
            target.write(bytes, done, expected)?;
            done += bytes.len() as u64;
            let expected = expected.max(done);
            match progress(Progress { done, expected }) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(BackupError::Stopped {
                    path: target.directory.clone(),
                    done,
                    expected,
                }),
            }
        })?;
        target.finish(done)?;
        Ok(BackedUp {
            path: target.directory.clone(),
            bytes: done,
            position,
        })
    }
}

/// Returns whether a directory contains only an unfinished backup, which is not a store.
pub(crate) fn is_unfinished(directory: &Path) -> bool {
    !directory.join(DATA).exists() && directory.join(PARTIAL).exists()
}

/// The directory of a backup, and its file. An unfinished backup is removed when this is dropped.
struct Target {
    directory: PathBuf,
    /// Whether the directory was created for the backup.
    is_new: bool,
    file: File,
    /// The path of the file, until the backup is complete.
    unfinished: Option<PathBuf>,
}

impl Target {
    fn new(directory: &Path, mode: u32) -> Result<Self, BackupError> {
        let is_new = !directory.exists();
        fs::create_dir_all(directory).map_err(failed("make the directory", directory))?;
        Self::in_directory(directory, is_new, mode).inspect_err(|_| {
            if is_new {
                // This fails if another backup has begun there, as it should.
                let _ = fs::remove_dir(directory);
            }
        })
    }

    fn in_directory(directory: &Path, is_new: bool, mode: u32) -> Result<Self, BackupError> {
        expect_alone(directory, None)?;
        let path = directory.join(PARTIAL);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file = files::with_mode(&mut options, mode)
            .open(&path)
            .map_err(failed("make the file", &path))?;
        Ok(Target {
            directory: directory.to_owned(),
            is_new,
            file,
            unfinished: Some(path),
        })
    }

    fn write(&mut self, bytes: &[u8], done: u64, expected: u64) -> Result<(), BackupError> {
        let written = self.file.write_all(bytes);
        written.map_err(|cause| self.failed_write(cause, done, expected))
    }

    /// Renames the file once it is on the disk.
    fn finish(&mut self, bytes: u64) -> Result<(), BackupError> {
        // Some file systems only now look for room.
        let synced = self.file.sync_all();
        synced.map_err(|cause| self.failed_write(cause, bytes, bytes))?;
        expect_alone(&self.directory, Some(PARTIAL))?;
        let (from, to) = (self.directory.join(PARTIAL), self.directory.join(DATA));
        fs::rename(&from, &to).map_err(failed("rename the file", &from))?;
        self.unfinished = Some(to);
        sync_directory(&self.directory)?;
        if self.is_new
            && let Some(parent) = self.directory.parent()
        {
            let parent = if parent == Path::new("") {
                Path::new(".")
            } else {
                parent
            };
            sync_directory(parent)?;
        }
        self.unfinished = None;
        Ok(())
    }

    fn failed_write(&self, cause: io::Error, done: u64, expected: u64) -> BackupError {
        if is_out_of_room(&cause) {
            return BackupError::NoRoom {
                path: self.directory.clone(),
                done,
                expected,
                cause,
            };
        }
        failed("write the file", &self.directory.join(PARTIAL))(cause)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let Some(path) = &self.unfinished else {
            return;
        };
        let removed = fs::remove_file(path).and_then(|()| match self.is_new {
            true => fs::remove_dir(&self.directory),
            false => Ok(()),
        });
        if let Err(error) = removed {
            tracing::warn!(%error, path = %path.display(), "the remains of a backup could not be removed");
        }
    }
}

/// Returns an error if a directory contains more than the file with this name.
fn expect_alone(directory: &Path, name: Option<&str>) -> Result<(), BackupError> {
    let failed = failed("look into", directory);
    for file in fs::read_dir(directory).map_err(&failed)? {
        let found = file.map_err(&failed)?.file_name();
        let path = directory.to_owned();
        if name.is_some_and(|name| found == name) {
            continue;
        }
        return Err(if found == PARTIAL {
            BackupError::Unfinished { path }
        } else {
            let found = found.display().to_string();
            BackupError::NotEmpty { path, found }
        });
    }
    Ok(())
}

/// Makes changed names in a directory durable.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> Result<(), BackupError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(failed("sync the directory", directory))
}

/// Where directories are not files, the system does this.
#[cfg(not(unix))]
fn sync_directory(_: &Path) -> Result<(), BackupError> {
    Ok(())
}

fn failed<'p>(action: &'static str, path: &'p Path) -> impl Fn(io::Error) -> BackupError + use<'p> {
    move |cause| BackupError::Files {
        action,
        path: path.to_owned(),
        cause,
    }
}
