//! Repairs after a failed commit, before anything else is written.
//!
//! A failed write leaves the file in doubt, although LMDB continues with the last committed state:
//!
//! - After a failed flush, the system considers pages written that are not. On some file systems their place stays
//!   marked as never written, whatever is written there later, as long as the pages are in memory. Pages that the
//!   failed transaction added to the file are dropped from memory when the file is cut behind the last committed
//!   page. Pages that it reused inside the file are free, so the next transaction to use them rewrites and flushes
//!   them.
//! - When the meta page could not be flushed, the new one may or may not be on the disk, and LMDB restores the older
//!   one in memory alone. Later transactions overwrite the pages that the new one leads to: it must not come back. So
//!   both are rewritten in their correct state, and flushed.
//!
//! All of this happens under LMDB's lock. Only pages of no committed transaction are cut off, and every reader, in
//! any process, reads the state that was committed when it began: none of them reads behind the end of the file,
//! which would end its process.

use super::holes::Holes;
use crate::creation::{META, TRANSACTION};
use crate::environment::Open;
use crate::error::file_failure;
use crate::files::Files;
use crate::options::Durability;
use heed::RwTxn;
use midgard::store::StoreError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

/// The repair that is due before the next write.
#[derive(Default)]
pub(super) struct Repair {
    state: State,
    holes: Holes,
}

#[derive(Default)]
enum State {
    /// The store was opened, and nothing was written yet. A process that had it open before may have been killed
    /// after a failure.
    #[default]
    Opened,
    /// A commit failed.
    Failed,
    /// No repair is due.
    Done,
    /// The repair failed, for this reason: nothing may be written any more.
    Impossible(String),
}

/// What a repair has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repaired {
    Nothing,
    Flushed,
    /// The system reported a failed flush again. It does so once for each time that the file was opened, so LMDB will
    /// get the report, too.
    ToldOnceMore,
}

impl Repair {
    /// Notes that a commit has failed.
    pub(super) fn need(&mut self) {
        if !matches!(self.state, State::Impossible(_)) {
            self.state = State::Failed;
        }
    }

    /// Notes that a commit has flushed the file.
    pub(super) fn flushed(&mut self) {
        self.holes.flushed();
    }

    /// Makes sure that the next transactions' writes can be repaired. To be called before this one writes anything.
    pub(super) fn prepare(&mut self, used: u64, transaction: &RwTxn<'_>, file: &File) {
        let filled = self.holes.fill(used, committed_before(transaction), file);
        if let Err(error) = filled {
            tracing::debug!(%error, "pages inside the file that were never written remain unwritten");
        }
    }

    /// Returns an error when nothing may be written any more.
    pub(super) fn refuse(&self) -> Result<(), StoreError> {
        match &self.state {
            State::Impossible(reason) => Err(StoreError::Backend {
                action: "write",
                cause: reason.clone().into(),
            }),
            _ => Ok(()),
        }
    }

    /// Does the repair that is due before this transaction writes anything.
    pub(super) fn before(
        &mut self,
        open: &Open,
        transaction: &RwTxn<'_>,
        files: &Files,
        durability: Durability,
    ) -> Result<Repaired, StoreError> {
        if matches!(self.state, State::Done) {
            return Ok(Repaired::Nothing);
        }
        self.refuse()?;
        let is_new = matches!(self.state, State::Opened);
        let repaired = Pages::of(open, transaction, files)
            .map_err(io::Error::other)
            .and_then(|pages| pages.repair(open, is_new, durability, &mut self.holes));
        match repaired {
            Ok(repaired) => {
                self.state = State::Done;
                Ok(repaired)
            }
            Err(error) => {
                let used = open.used(transaction)?;
                leave_mark(files, used);
                let path = files.directory().display();
                self.state = State::Impossible(format!(
                    "a write failed, and its remains could not be undone ({error}), so no more writes are accepted, \
                     but reads continue; once the disk of {path} is sound, drop the store's handles in this process, and open \
                     it again"
                ));
                tracing::error!(%path, %error, "the remains of a failed write could not be undone");
                self.refuse().map(|()| Repaired::Nothing)
            }
        }
    }
}

/// Returns the number of the last committed transaction.
fn committed_before(transaction: &RwTxn<'_>) -> u64 {
    transaction.id() as u64 - 1
}

/// Makes the file longer than the used part, so that the next writer, perhaps in another process, does the repair
/// that failed here.
fn leave_mark(files: &Files, used: u64) {
    let marked = files.data().and_then(|file| {
        let length = file.metadata()?.len();
        file.set_len(length.max(used) + 1)
    });
    if let Err(error) = marked {
        tracing::warn!(%error, "the next process will not know that a commit has failed");
    }
}

/// The file, and its committed part.
struct Pages {
    file: Arc<File>,
    /// The size of a page.
    page: u64,
    /// The number of the last transaction.
    committed: u64,
}

impl Pages {
    fn of(open: &Open, transaction: &RwTxn<'_>, files: &Files) -> Result<Self, StoreError> {
        Ok(Pages {
            file: files
                .data()
                .map_err(file_failure("undo a write", files.directory()))?,
            page: open.page_size(transaction)?,
            committed: committed_before(transaction),
        })
    }

    fn repair(
        &self,
        open: &Open,
        is_new: bool,
        durability: Durability,
        holes: &mut Holes,
    ) -> io::Result<Repaired> {
        let used = || (open.env.info().last_page_number as u64 + 1) * self.page;
        if is_new && (durability == Durability::NoSync || self.file.metadata()?.len() <= used()) {
            return Ok(Repaired::Nothing);
        }
        self.rewrite_metas()?;
        if durability == Durability::NoSync {
            // This durability level promises nothing that a flush could keep.
            return Ok(Repaired::Nothing);
        }
        // The newest meta page is that of the last commit now.
        self.cut(used())?;
        holes.undo(used(), self.committed, &self.file)?;
        if self.file.sync_all().is_ok() {
            return Ok(Repaired::Flushed);
        }
        // Perhaps the report is about an earlier failure. In any case, whatever may have been lost is rewritten.
        self.rewrite_metas()?;
        self.cut(used())?;
        self.file.sync_all()?;
        Ok(Repaired::ToldOnceMore)
    }

    /// Rewrites both meta pages as they are. One of an uncommitted transaction is made older than the other one, as
    /// LMDB would have done.
    fn rewrite_metas(&self) -> io::Result<()> {
        let mut file = &*self.file;
        for number in 0..2 {
            let mut meta = [0; META];
            file.seek(SeekFrom::Start(number * self.page))?;
            file.read_exact(&mut meta)?;
            let (_, transaction) = meta.split_at_mut(TRANSACTION);
            let found = u64::from_ne_bytes(std::array::from_fn(|at| transaction[at]));
            if found > self.committed {
                transaction.copy_from_slice(&self.committed.saturating_sub(1).to_ne_bytes());
            }
            file.seek(SeekFrom::Start(number * self.page))?;
            file.write_all(&meta)?;
        }
        Ok(())
    }

    /// Cuts off pages that were never committed.
    fn cut(&self, used: u64) -> io::Result<()> {
        // Other systems cannot cut a mapped file.
        if cfg!(unix) && self.file.metadata()?.len() > used {
            self.file.set_len(used)?;
        }
        Ok(())
    }
}
