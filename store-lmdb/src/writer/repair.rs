//! What is done after a commit failed, before anything else is written.
//!
//! A write that failed leaves the file in doubt, although LMDB goes on with what was committed before:
//!
//! - After a flush that failed, the system takes pages for written that are not. On some file systems the place where they would have
//!   been stays marked as never written, whatever is written there later, as long as the pages are in memory. Those that the
//!   failed transaction added to the file are dropped from memory when the file is cut behind the last page that was committed. Those
//!   that it used again inside the file are free, so whoever needs them writes them anew, and flushes them.
//! - When the meta page could not be flushed, the new one may be on the disk or not, and LMDB writes the older one back in memory
//!   alone. Transactions to come write over the pages that the new one leads to: it must not come back. So both are written once
//!   more, as they are to be, and flushed.
//!
//! All of it under LMDB's lock. Only what no committed transaction has is cut off, and readers, in whatever process, read what
//! was committed when they began: none of them reads behind the end of the file. To do so would end their process.

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

/// What is to be done before the next write.
#[derive(Default)]
pub(super) struct Repair {
    state: State,
    holes: Holes,
}

#[derive(Default)]
enum State {
    /// The store was opened, and nothing was written yet. Whoever had it open before may have been killed after a failure.
    #[default]
    Opened,
    /// A commit failed.
    Failed,
    /// All is well.
    Done,
    /// It could not be done, for this reason: nothing is to be written any more.
    Impossible(String),
}

/// What was found when a file was repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repaired {
    Nothing,
    Flushed,
    /// The system told once more that a flush had failed. It does so once for each time that the file was opened, so LMDB will be told, too.
    ToldOnceMore,
}

impl Repair {
    /// To be called when a commit failed.
    pub(super) fn need(&mut self) {
        if !matches!(self.state, State::Impossible(_)) {
            self.state = State::Failed;
        }
    }

    /// To be called when a commit has flushed the file.
    pub(super) fn flushed(&mut self) {
        self.holes.flushed();
    }

    /// Sees that what the next transactions write can be repaired. To be called before this one writes anything.
    pub(super) fn prepare(&mut self, used: u64, transaction: &RwTxn<'_>, file: &File) {
        let filled = self.holes.fill(used, committed_before(transaction), file);
        if let Err(error) = filled {
            tracing::debug!(%error, "pages inside the file that were never written stay so");
        }
    }

    /// An error when nothing is to be written any more.
    pub(super) fn refuse(&self) -> Result<(), StoreError> {
        match &self.state {
            State::Impossible(reason) => Err(StoreError::Backend {
                action: "write",
                cause: reason.clone().into(),
            }),
            _ => Ok(()),
        }
    }

    /// Does what has to be done before this transaction writes anything.
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
                    "a write failed, and what it left could not be undone ({error}), so nothing more is written, \
                     and what is read goes on; once the disk of {path} is sound, drop the store's handles in this process, and open \
                     it again"
                ));
                tracing::error!(%path, %error, "what a failed write left could not be undone");
                self.refuse().map(|()| Repaired::Nothing)
            }
        }
    }
}

/// The number of the last transaction that was committed.
fn committed_before(transaction: &RwTxn<'_>) -> u64 {
    transaction.id() as u64 - 1
}

/// Makes the file longer than what is used of it, so that whoever writes to it next, in another process perhaps, does what could not be
/// done here.
fn leave_mark(files: &Files, used: u64) {
    let marked = files.data().and_then(|file| {
        let length = file.metadata()?.len();
        file.set_len(length.max(used) + 1)
    });
    if let Err(error) = marked {
        tracing::warn!(%error, "the next process will not know that a commit has failed");
    }
}

/// The file, and what was committed to it.
struct Pages {
    file: Arc<File>,
    /// How long a page is.
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
            // It promises nothing that a flush could keep.
            return Ok(Repaired::Nothing);
        }
        // Now that the newest meta page is that of the last commit.
        self.cut(used())?;
        holes.undo(used(), self.committed, &self.file)?;
        if self.file.sync_all().is_ok() {
            return Ok(Repaired::Flushed);
        }
        // Perhaps of what failed before. Whatever it was: what may have been forgotten is written once more.
        self.rewrite_metas()?;
        self.cut(used())?;
        self.file.sync_all()?;
        Ok(Repaired::ToldOnceMore)
    }

    /// Writes both meta pages as they are. One of a transaction that was not committed becomes older than the other one, as LMDB
    /// would have made it.
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

    /// Cuts off what was never committed.
    fn cut(&self, used: u64) -> io::Result<()> {
        // Other systems cut nothing that is mapped.
        if cfg!(unix) && self.file.metadata()?.len() > used {
            self.file.set_len(used)?;
        }
        Ok(())
    }
}
