//! How long the data file must be.

use crate::error::backend;
use crate::files::{Access, DATA, Files};
use heed::{Env, WithoutTls};
use midgard::StoreError;

/// The most bytes that a sound file can be shorter than what LMDB uses: it does not write pages at the end that a
/// transaction took and gave back.
const LARGEST_GAP: u64 = 1 << 30;

/// Makes a file that was cut off as long as it should be; an error where it is only read. To read behind the end of a file that is
/// mapped ends the process; zeros are no page, and an error. To be called under LMDB's lock, unless it is only read.
pub(crate) fn correct(files: &Files, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| backend("look at its file")(error.into());
    let page = u64::from(env.unnamed_database_stat().page_size);
    let used = (env.info().last_page_number as u64 + 1).saturating_mul(page);
    let length = env.real_disk_size().map_err(backend("look at its file"))?;
    if length >= used {
        return Ok(());
    }
    let next_step = match files.access() {
        _ if used - length > LARGEST_GAP => "restore it from a backup",
        Access::Write => "",
        Access::Read | Access::ReadWithoutLocks => {
            "open it once without read_only, which makes it as long, and verify it"
        }
    };
    if !next_step.is_empty() {
        return Err(StoreError::Backend {
            action: "open its LMDB environment",
            source: format!(
                "{} has {length} bytes, and should have {used}; {next_step}",
                files.directory().join(DATA).display()
            )
            .into(),
        });
    }
    let path = files.directory().display();
    tracing::warn!(%path, length, used, "data.mdb is shorter than what it uses, and may have been cut off");
    files.data().set_len(used).map_err(failed)
}
