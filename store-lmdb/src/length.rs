//! The required length of the data file.
//!
//! LMDB does not write pages at the end that a transaction took and gave back, so a sound file may be shorter than
//! what LMDB uses. Opening could not distinguish that from a file that was cut off, and reading behind the end of a
//! mapped file ends the process. So the file is extended after such a commit.

use crate::error::backend;
use crate::files::{Access, DATA, Files};
use heed::{Env, WithoutTls};
use midgard::store::StoreError;
use std::thread;
use std::time::Duration;

/// The most bytes by which a sound file can be shorter than what LMDB uses.
const LARGEST_GAP: u64 = 1 << 30;

/// Extends a file that was cut off to the required length: zeros are no valid page, so reading them is an error. To
/// be called under LMDB's lock.
pub(crate) fn correct(files: &Files, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    let Some(gap) = Gap::of(env)? else {
        return Ok(());
    };
    let Gap { length, used } = gap;
    if used - length > LARGEST_GAP {
        return Err(gap.error(files, "restore it from a backup"));
    }
    let path = files.directory().display();
    tracing::warn!(%path, length, used, "data.mdb is shorter than what it uses, and may have been cut off");
    let data = files.data();
    let corrected = data.and_then(|data| data.set_len(used));
    corrected.map_err(|error| backend("make its file longer")(error.into()))
}

/// As [`correct`], for a file that is only read: returns an error.
pub(crate) fn expect(files: &Files, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    /// How many times to check whether another process extends it, as it does right after a commit.
    const TRIES: usize = 50;
    let mut tries = 0;
    while let Some(gap) = Gap::of(env)? {
        tries += 1;
        if files.access() == Access::ReadWithoutLocks || tries == TRIES {
            let next_step = "open it once without read_only, which extends it, and verify it";
            return Err(gap.error(files, next_step));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Extends the file after a commit in which LMDB has left out its last pages.
pub(crate) fn lengthen(files: &Files, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    // Another process may be extending it.
    let lock = env.write_txn().map_err(backend("begin a write"))?;
    if let Some(Gap { used, .. }) = Gap::of(env)? {
        let data = files.data();
        let lengthened = data.and_then(|data| data.set_len(used));
        lengthened.map_err(|error| backend("make its file longer")(error.into()))?;
    }
    drop(lock);
    Ok(())
}

/// Returns how many bytes of its file LMDB uses.
pub(crate) fn used(env: &Env<WithoutTls>) -> u64 {
    let page = u64::from(env.unnamed_database_stat().page_size);
    (env.info().last_page_number as u64 + 1).saturating_mul(page)
}

/// The bytes that a file lacks.
struct Gap {
    length: u64,
    used: u64,
}

impl Gap {
    fn of(env: &Env<WithoutTls>) -> Result<Option<Self>, StoreError> {
        let used = used(env);
        let length = env.real_disk_size().map_err(backend("look at its file"))?;
        Ok((length < used).then_some(Gap { length, used }))
    }

    fn error(&self, files: &Files, next_step: &str) -> StoreError {
        let Gap { length, used } = self;
        StoreError::Backend {
            action: "open its LMDB environment",
            cause: format!(
                "{} has {length} bytes, and should have {used}; {next_step}",
                files.directory().join(DATA).display()
            )
            .into(),
        }
    }
}
