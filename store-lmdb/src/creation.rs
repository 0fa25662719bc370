//! Stores that are being made, and those whose making did not come to its end.

use crate::error::file_failure;
use crate::files::{self, Files};
use crate::options::Durability;
use midgard::store::StoreError;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// More than what there is of a store before its first append.
const LARGEST: u64 = 64 << 10;
/// Where a meta page says what it is.
const MAGIC: Range<usize> = 16..20;
const LMDB: [u8; 4] = 0xBEEF_C0DE_u32.to_ne_bytes();
/// Where it has the number of its last transaction, on systems of 64 bits.
pub(crate) const TRANSACTION: usize = 144;
/// Where that ends, and with it what a meta page has.
pub(crate) const META: usize = TRANSACTION + 8;
/// Where it says how large pages are.
const PAGE_SIZE: usize = 40;

/// The right to make a store, which one process has at a time.
pub(crate) struct Making<'f> {
    directory: &'f Path,
    data: Arc<File>,
}

impl<'f> Making<'f> {
    /// Waits for others that make it. `None` when it is made; whatever was left of a store that was never made is removed: LMDB
    /// would take it for damage.
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
        // LMDB calls a write that was cut short, as there was no room, a failure of the disk.
        files::reserve(data, LARGEST).map_err(&failed)?;
        Ok(Some(making))
    }

    /// To be called when it is made: it is there after a power cut, too.
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
            tracing::warn!(%error, "the lock of a store that was made is given up when it is closed");
        }
    }
}

/// An error where a store is to be read that was not made to its end.
pub(crate) fn expect_made(files: &Files) -> Result<(), StoreError> {
    let data = files.data();
    let unfinished_data = data.and_then(|data| is_unfinished(&data));
    match unfinished_data.map_err(file_failure("open it read-only", files.directory()))? {
        true => Err(unfinished(files.directory())),
        false => Ok(()),
    }
}

/// There is nothing to be read yet.
pub(crate) fn unfinished(directory: &Path) -> StoreError {
    StoreError::Backend {
        action: "open it read-only",
        cause: format!(
            "{} is being made, or its making was cut off; open it once without read_only",
            directory.display()
        )
        .into(),
    }
}

/// Whether nothing was ever committed in a file, as its two meta pages are not there yet.
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

/// How large LMDB makes pages here.
fn page_size() -> usize {
    const LARGEST: usize = 32 << 10;
    #[cfg(unix)]
    let system = rustix::param::page_size();
    #[cfg(not(unix))]
    let system = 4096;
    system.min(LARGEST)
}

/// Makes a directory, and flushes what leads to it, where appends are flushed.
pub(crate) fn make_directory(directory: &Path, durability: Durability) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| {
        // The current directory, of a path that does not begin at the root.
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
