//! An environment while it is open: how reads begin in it.

use crate::address_space::Taken;
use crate::databases::Databases;
use crate::error::backend;
use crate::files::{self, Access, Files};
use crate::length;
use crate::open_at_once::Counted;
use heed::{Env, Error, MdbError, RoTxn, RwTxn, WithoutTls};
use midgard::store::{Full, StoreError};

/// An open environment and its databases.
pub(crate) struct Open {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) databases: Databases,
    /// The actual size, which may be less or more than requested: LMDB maps the whole file.
    pub(crate) map_size: usize,
    pub(super) _taken: Taken,
    pub(super) _counted: Counted,
}

impl Open {
    /// Closes it and returns the size of its map.
    pub(super) fn close(self) -> usize {
        self.env.prepare_for_closing().wait();
        self.map_size
    }

    /// Returns an error if somebody wrote to a store that is read without locks. Called after a transaction, which
    /// may have read pages that were reused.
    pub(crate) fn expect_unwritten(
        &self,
        files: &Files,
        transaction: usize,
    ) -> Result<(), StoreError> {
        match files.access() {
            Access::ReadWithoutLocks if self.env.info().last_txn_id != transaction => {
                Err(files.lost(files::OTHERS))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether the last commit, by another process, has outgrown the map.
    pub(super) fn is_outgrown(&self) -> bool {
        length::used(&self.env) > self.map_size as u64
    }

    pub(super) fn read_txn(&self) -> Result<Begun<RoTxn<'_, WithoutTls>>, StoreError> {
        self.begin_read(|| self.env.read_txn())
    }

    /// Returns how many bytes of the data file are used, seen under the lock of a write that has changed nothing yet.
    pub(crate) fn used(&self, transaction: &RwTxn<'_>) -> Result<u64, StoreError> {
        Ok((self.env.info().last_page_number as u64 + 1) * self.page_size(transaction)?)
    }

    pub(crate) fn page_size(&self, transaction: &RwTxn<'_>) -> Result<u64, StoreError> {
        let stat = self.databases.log.0.stat(transaction);
        Ok(u64::from(
            stat.map_err(backend("look at the file"))?.page_size,
        ))
    }

    pub(super) fn begin_read<'t>(
        &self,
        begin: impl Fn() -> heed::Result<RoTxn<'t, WithoutTls>>,
    ) -> Result<Begun<RoTxn<'t, WithoutTls>>, StoreError> {
        // Each try fails only if a commit was faster than the few instructions between.
        const TRIES: usize = 1000;
        for _ in 0..TRIES {
            let mut begun = begin();
            if let Err(Error::Mdb(MdbError::ReadersFull)) = begun {
                // Dead processes may still hold slots.
                self.env
                    .clear_stale_readers()
                    .map_err(backend("clear stale readers"))?;
                begun = begin();
            }
            return match begun {
                Ok(transaction) if self.is_overtaken(&transaction) => continue,
                Ok(transaction) => Ok(Begun::Read(transaction)),
                Err(Error::Mdb(MdbError::MapResized)) => Ok(Begun::Outgrown),
                Err(Error::Mdb(MdbError::Panic)) => Ok(Begun::Unusable),
                Err(Error::Mdb(MdbError::ReadersFull)) => Err(StoreError::Full(Full::Readers {
                    slots: self.env.max_readers(),
                })),
                Err(error) => Err(backend("begin a read")(error)),
            };
        }
        Err(StoreError::Backend {
            action: "begin a read",
            cause: "lock.mdb knows less of the last commits than data.mdb; drop the store's handles in all processes, and open it again".into(),
        })
    }

    /// Returns whether a read may have begun with the state that is being committed, and not with the last one.
    ///
    /// LMDB looks up the number of the last transaction, and then reads its meta page. While a thread is held up
    /// between the two, others may commit the next transaction and begin to write the meta page of the one after it
    /// over the page: the read then sees a state that is not on the disk yet, and that the next read does not see.
    fn is_overtaken(&self, transaction: &RoTxn<'_, WithoutTls>) -> bool {
        self.env.info().last_txn_id > transaction.id() + 1
    }
}

/// The result of beginning a read.
pub(super) enum Begun<T> {
    Read(T),
    /// Another process has outgrown the map.
    Outgrown,
    /// LMDB has to be reopened, as a write failed.
    Unusable,
}
