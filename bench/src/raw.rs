//! Raw LMDB with the databases of the store, and nothing around it.

use crate::Outcome;
use heed::byteorder::{BigEndian, LittleEndian};
use heed::types::{Bytes, Str, U64, U128};
use heed::{CommitOrAbort, Database, Env, PutFlags, WithoutTls};
use midgard_store_lmdb::open_raw;
use std::convert::Infallible;
use std::fs;
use std::path::Path;

pub(crate) type Log = Database<'static, U64<BigEndian>, Bytes>;
pub(crate) type Streams = Database<'static, Str, Bytes>;
pub(crate) type Versions = Database<'static, U128<BigEndian>, U64<LittleEndian>>;

/// An LMDB environment with a log, and an index of it. Every commit is durable.
pub(crate) struct Raw {
    pub(crate) env: Env<WithoutTls>,
    pub(crate) log: Log,
    pub(crate) streams: Streams,
    pub(crate) versions: Versions,
    /// The last position in the log.
    last: u64,
}

/// The data written for one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) record: &'a [u8],
    pub(crate) stream: &'a str,
    /// The number of the stream.
    pub(crate) number: u64,
    /// The event's version in its stream.
    pub(crate) version: u64,
}

impl Raw {
    /// Opens the databases in a directory, or creates them there.
    pub(crate) fn open(directory: &Path) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        let env = open_raw(directory)?;
        let transaction = env.write_txn()?;
        let databases = env.create_databases_and_commit(transaction, |opener, transaction| {
            heed::Result::Ok(CommitOrAbort::<_, Infallible>::Commit((
                opener.create_database(transaction, Some("log"))?,
                opener.create_database(transaction, Some("streams"))?,
                opener.create_database(transaction, Some("versions"))?,
            )))
        })?;
        let CommitOrAbort::Commit((log, streams, versions)): CommitOrAbort<
            (Log, Streams, Versions),
            _,
        > = databases;
        let transaction = env.read_txn()?;
        let last = log.last(&transaction)?.map_or(0, |(last, _)| last);
        drop(transaction);
        Ok(Raw {
            env,
            log,
            streams,
            versions,
            last,
        })
    }

    /// Returns how many commits a store has made; nobody may have it open.
    pub(crate) fn commits_of(store: &Path) -> Outcome<usize> {
        let env = open_raw(store)?;
        let commits = env.info().last_txn_id;
        env.prepare_for_closing().wait();
        Ok(commits)
    }

    /// Writes the records at the end of the log, in one commit. Returns their number.
    pub(crate) fn commit_log<'a>(
        &mut self,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> Outcome<usize> {
        self.commit::<false>(entries)
    }

    /// As [`commit_log`](Raw::commit_log), and also writes the index entries of each event.
    pub(crate) fn commit_all<'a>(
        &mut self,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> Outcome<usize> {
        self.commit::<true>(entries)
    }

    fn commit<'a, const INDEXED: bool>(
        &mut self,
        entries: impl Iterator<Item = Entry<'a>>,
    ) -> Outcome<usize> {
        let mut transaction = self.env.write_txn()?;
        let first = self.last;
        for entry in entries {
            self.last += 1;
            self.log.put_with_flags(
                &mut transaction,
                PutFlags::APPEND,
                &self.last,
                entry.record,
            )?;
            if INDEXED {
                let key = u128::from(entry.number) << 64 | u128::from(entry.version);
                self.versions.put(&mut transaction, &key, &self.last)?;
                self.streams
                    .put(&mut transaction, entry.stream, &entry.state())?;
            }
        }
        transaction.commit()?;
        Ok((self.last - first) as usize)
    }

    pub(crate) fn close(self) {
        self.env.prepare_for_closing().wait();
    }
}

impl Entry<'_> {
    /// Returns the state of the stream after this event, as the store keeps it.
    fn state(&self) -> [u8; 25] {
        let mut state = [0; 25];
        state[..8].copy_from_slice(&self.number.to_le_bytes());
        state[8..16].copy_from_slice(&1_u64.to_le_bytes());
        state[16..24].copy_from_slice(&self.version.to_le_bytes());
        state
    }
}
