//! How long the data file must be.
//!
//! LMDB does not write pages at the end that a transaction took and gave back, so that a sound file may be shorter than what LMDB
//! uses. Whoever opens it could not tell that from one that was cut off, and to read behind the end of a file that is mapped
//! ends the process: so it is made longer after such a commit.

use crate::error::backend;
use crate::files::{Access, DATA, Files};
use heed::{Env, WithoutTls};
use midgard::store::StoreError;
use std::thread;
use std::time::Duration;

/// The most bytes that a sound file can be shorter than what LMDB uses.
const LARGEST_GAP: u64 = 1 << 30;

/// Makes a file that was cut off as long as it should be: zeros are no page, and an error. To be called under LMDB's lock.
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

/// As [`correct`], of a file that is only read: an error.
pub(crate) fn expect(files: &Files, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    /// How often it is looked at whether another process makes it longer, as it does right after a commit.
    const TRIES: usize = 50;
    let mut tries = 0;
    while let Some(gap) = Gap::of(env)? {
        tries += 1;
        if files.access() == Access::ReadWithoutLocks || tries == TRIES {
            let next_step = "open it once without read_only, which makes it as long, and verify it";
            return Err(gap.error(files, next_step));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Makes the file longer after a commit, where LMDB has left out its last pages.
pub(crate) fn lengthen(files: &Files, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    // Another may be making it longer.
    let lock = env.write_txn().map_err(backend("begin a write"))?;
    if let Some(Gap { used, .. }) = Gap::of(env)? {
        let data = files.data();
        let lengthened = data.and_then(|data| data.set_len(used));
        lengthened.map_err(|error| backend("make its file longer")(error.into()))?;
    }
    drop(lock);
    Ok(())
}

/// How many bytes of its file LMDB uses.
pub(crate) fn used(env: &Env<WithoutTls>) -> u64 {
    let page = u64::from(env.unnamed_database_stat().page_size);
    (env.info().last_page_number as u64 + 1).saturating_mul(page)
}

/// What a file lacks.
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
