//! Stores that are being created, and those whose creation did not finish.

use crate::error::file_failure;
use crate::files::{self, Files};
use crate::options::Durability;
use midgard::store::StoreError;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// More than a store takes before its first append.
const LARGEST: u64 = 64 << 10;
/// Where a meta page holds its magic number.
const MAGIC: Range<usize> = 16..20;
const LMDB: [u8; 4] = 0xBEEF_C0DE_u32.to_ne_bytes();
/// Where it holds the number of its last transaction, on 64-bit systems.
pub(crate) const TRANSACTION: usize = 144;
/// Where that number ends, and with it the contents of a meta page.
pub(crate) const META: usize = TRANSACTION + 8;
/// Where it holds the size of pages.
const PAGE_SIZE: usize = 40;

/// The right to create a store, which one process has at a time.
pub(crate) struct Making<'f> {
    directory: &'f Path,
    data: Arc<File>,
}

impl<'f> Making<'f> {
    /// Waits for other processes that create the store. Returns `None` when it exists by then. The remains of an
    /// unfinished creation are removed: LMDB would take them for damage.
    pub(crate) fn begin(files: &'f Files) -> Result<Option<Self>, StoreError> {
        let failed = file_failure("make its files", files.directory());
        let data = files.data().map_err(&failed)?;
        if !is_unfinished(&data).map_err(&failed)? {
            return Ok(None);
        }
        data.lock().map_err(&failed)?;
        let making = Making {
            directory: files.directory(),
            data,
        };
        let data = &making.data;
        if !is_unfinished(data).map_err(&failed)? {
            return Ok(None);
        }
        data.set_len(0).map_err(&failed)?;
        // LMDB reports a write that was cut short for lack of room as a failure of the disk.
        files::reserve(data, LARGEST).map_err(&failed)?;
        Ok(Some(making))
    }

    /// Ends the creation, once the store is complete: from then on it survives a power cut too.
    pub(crate) fn finish(self, durability: Durability) -> Result<(), StoreError> {
        if durability == Durability::NoSync {
            return Ok(());
        }
        let flushed = self.data.sync_all();
        flushed
            .and_then(|()| files::flush_directory(self.directory))
            .map_err(file_failure("make its files", self.directory))
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.data.unlock() {
            tracing::warn!(%error, "the lock of a new store is released when the store is closed");
        }
    }
}

/// Returns an error if a store that is to be read was never created to its end.
pub(crate) fn expect_made(files: &Files) -> Result<(), StoreError> {
    let data = files.data();
    let unfinished_data = data.and_then(|data| is_unfinished(&data));
    match unfinished_data.map_err(file_failure("open it read-only", files.directory()))? {
        true => Err(unfinished(files.directory())),
        false => Ok(()),
    }
}

/// Returns the error of a store that has nothing to read yet.
pub(crate) fn unfinished(directory: &Path) -> StoreError {
    StoreError::Backend {
        action: "open it read-only",
        cause: format!(
            "{} is being created, or its creation was interrupted; open it once without read_only",
            directory.display()
        )
        .into(),
    }
}

/// Returns whether nothing was ever committed to a file: its two meta pages are missing then.
fn is_unfinished(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() > LARGEST {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let length = bytes.len();
    bytes.resize(LARGEST as usize, 0);
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let is_new = |meta: &[u8]| meta[MAGIC] == LMDB && is_zero(&meta[TRANSACTION..META]);
    let first = &bytes[..META];
    let page = match is_zero(first) {
        true => page_size(),
        false => u32::from_ne_bytes(std::array::from_fn(|at| first[PAGE_SIZE + at])) as usize,
    };
    let Some(second) = bytes.get(page..page.saturating_add(META)) else {
        return Ok(false);
    };
    let metas = [first, second];
    Ok(metas.iter().all(|meta| is_zero(meta) || is_new(meta))
        && (length < 2 * page || metas.iter().any(|meta| is_zero(meta))))
}

/// Returns the size of LMDB's pages on this system.
fn page_size() -> usize {
    const LARGEST: usize = 32 << 10;
    #[cfg(unix)]
    let system = rustix::param::page_size();
    #[cfg(not(unix))]
    let system = 4096;
    system.min(LARGEST)
}

/// Creates a directory; where appends are flushed, also flushes the directories that lead to it.
pub(crate) fn make_directory(directory: &Path, durability: Durability) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| {
        // A relative path of one part has an empty parent: the current directory.
        !path.as_os_str().is_empty() && !path.exists()
    });
    let missing = missing.count();
    std::fs::create_dir_all(directory)?;
    if durability == Durability::NoSync {
        return Ok(());
    }
    let directory = std::fs::canonicalize(directory)?;
    directory
        .ancestors()
        .skip(1)
        .take(missing)
        .try_for_each(files::flush_directory)
}
