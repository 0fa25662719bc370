//! Stores that are being made, and those whose making did not come to its end.

use crate::error::file_failure;
use crate::files::{self, Files};
use crate::options::Durability;
use midgard::StoreError;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

/// More than what there is of a store before its first append.
const LARGEST: u64 = 64 << 10;
/// The smallest page that a system has.
const PAGE: usize = 4096;
/// Where in a meta page the number of its last transaction is, on a system of 64 bits, as is what comes before it.
pub(crate) const TRANSACTION: usize = 16 + 4 + 4 + 8 + 8 + 2 * 48 + 8;

/// The right to make a store, which one process has at a time.
pub(crate) struct Making<'f> {
    files: &'f Files,
}

impl<'f> Making<'f> {
    /// Waits for others that make it. `None` when it is made; whatever was left of a store that was never made is removed: LMDB
    /// would take it for damage.
    pub(crate) fn begin(files: &'f Files) -> Result<Option<Self>, StoreError> {
        let failed = file_failure("make its files", files.directory());
        if !is_unfinished(files.data()).map_err(&failed)? {
            return Ok(None);
        }
        files.data().lock().map_err(&failed)?;
        let making = Making { files };
        if !is_unfinished(files.data()).map_err(&failed)? {
            return Ok(None);
        }
        files.data().set_len(0).map_err(&failed)?;
        Ok(Some(making))
    }

    /// To be called when it is made: it is there after a power cut, too.
    pub(crate) fn finish(self, durability: Durability) -> Result<(), StoreError> {
        if durability == Durability::NoSync {
            return Ok(());
        }
        let directory = self.files.directory();
        let flushed = self.files.data().sync_all();
        flushed
            .and_then(|()| files::flush_directory(directory))
            .map_err(file_failure("make its files", directory))
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.files.data().unlock() {
            tracing::warn!(%error, "the lock of a store that was made is given up when it is closed");
        }
    }
}

/// Whether nothing was ever committed in a file, as one of its two meta pages was not written yet.
fn is_unfinished(mut file: &File) -> io::Result<bool> {
    if file.metadata()?.len() > LARGEST {
        return Ok(false);
    }
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    bytes.resize(bytes.len().max(2 * PAGE), 0);
    let metas = [&bytes[..PAGE], &bytes[PAGE..2 * PAGE]];
    let is_empty = |meta: &[u8]| meta.iter().all(|byte| *byte == 0);
    let is_first = |meta: &[u8]| {
        let transaction = &meta[TRANSACTION..TRANSACTION + 8];
        is_empty(meta) || is_empty(transaction)
    };
    Ok(metas.iter().any(|meta| is_empty(meta)) && metas.iter().all(|meta| is_first(meta)))
}

/// Makes a directory, and flushes what leads to it.
pub(crate) fn make_directory(directory: &Path) -> io::Result<()> {
    let missing = directory.ancestors().take_while(|path| {
        // The current directory, of a path that does not begin at the root.
        !path.as_os_str().is_empty() && !path.exists()
    });
    let missing = missing.count();
    std::fs::create_dir_all(directory)?;
    let directory = std::fs::canonicalize(directory)?;
    directory
        .ancestors()
        .skip(1)
        .take(missing)
        .try_for_each(files::flush_directory)
}
