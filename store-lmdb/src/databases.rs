//! The databases in an environment.

use crate::about::{self, About, AboutTable, Found};
use crate::error::{backend, corrupt};
use crate::format_1::{Format1, Streams, Versions};
use crate::index::{Index, StreamKeys};
use crate::log::{Item, Log};
use crate::removed::{Ranges, Removed};
use crate::tags::{Runs, TagKeys, Tags};
use heed::types::Bytes;
use heed::{Database, DatabaseOpener, DatabaseStat, RoTxn, RwTxn, WithoutTls};
use midgard::Position;
use midgard::store::{Direction, StoreError};
use std::iter;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

/// Small values alongside the events, by key.
pub(crate) type Entries = Database<'static, Bytes, Bytes>;

/// The databases of a store. The log is the truth; whatever finds events in it is derived from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Databases {
    pub(crate) about: About,
    /// Makes the keys of streams.
    pub(crate) keys: StreamKeys,
    /// Makes the keys of tags and names.
    pub(crate) tag_keys: TagKeys,
    pub(crate) log: Log,
    pub(crate) removed: Removed,
    pub(crate) index: Index,
    pub(crate) entries: Entries,
    /// The index of tags and names; `None` in a store that was opened to be read, and that only releases without the
    /// index have written to.
    pub(crate) tags: Option<Tags>,
    /// In stores that began with format 1.
    pub(crate) format_1: Option<Format1>,
}

/// The databases, once for the transaction that opens them and once for good.
pub(crate) type Opened<'e> = (
    AboutTable<'e>,
    Database<'e, Bytes, Bytes>,
    Ranges<'e>,
    Database<'e, Bytes, Bytes>,
    Database<'e, Bytes, Bytes>,
    Option<Database<'e, Bytes, Bytes>>,
    Option<Database<'e, Bytes, Bytes>>,
    Option<Streams<'e>>,
    Option<Versions<'e>>,
);

/// Opens a database. A missing one of an existing store is an error: it is not created again, empty.
fn database<'e, K: 'static, V: 'static>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &RoTxn<'e>,
    name: &'static str,
) -> Result<Database<'e, K, V>, StoreError> {
    let database = opener.open_database(transaction, Some(name));
    database
        .map_err(backend("open its databases"))?
        .ok_or_else(|| StoreError::Backend {
            action: "open its databases",
            cause: format!("the database \"{name}\" is missing; restore the store from a backup")
                .into(),
        })
}

/// For the case that no range without removed records is known yet.
pub(crate) const NONE_KNOWN: RangeInclusive<Position> = Position::FIRST..=Position::ZERO;

impl Databases {
    /// The largest number of databases.
    pub(crate) const COUNT: u32 = 9;

    /// Checks the format and opens the databases; creates them in an empty environment.
    pub(crate) fn open<'e>(
        path: &Path,
        opener: &DatabaseOpener<'e, WithoutTls>,
        transaction: &mut RwTxn<'e>,
    ) -> Result<Opened<'e>, StoreError> {
        let (table, found) = about::open(path, opener, transaction)?;
        if found == Found::NotThis {
            for name in ["log", "index", "entries", "removed"] {
                let made = opener.create_database::<Bytes, Bytes>(transaction, Some(name));
                made.map_err(backend("open its databases"))?;
            }
        }
        // Older releases did not make them; the log has all that belongs in them.
        for name in ["tags", "last_versions"] {
            let found = opener.open_database::<Bytes, Bytes>(transaction, Some(name));
            if found.map_err(backend("open its databases"))?.is_none() {
                let made = opener.create_database::<Bytes, Bytes>(transaction, Some(name));
                made.map_err(backend("open its databases"))?;
            }
        }
        Self::open_beside(table, opener, transaction)
    }

    /// Opens them as [`open`](Databases::open) does, but creates and changes nothing.
    pub(crate) fn open_read_only<'e>(
        path: &Path,
        opener: &DatabaseOpener<'e, WithoutTls>,
        transaction: &RoTxn<'e>,
    ) -> Result<Opened<'e>, StoreError> {
        let table = about::open_read_only(path, opener, transaction)?;
        Self::open_beside(table, opener, transaction)
    }

    /// Opens the databases other than the first.
    fn open_beside<'e>(
        table: AboutTable<'e>,
        opener: &DatabaseOpener<'e, WithoutTls>,
        transaction: &RoTxn<'e>,
    ) -> Result<Opened<'e>, StoreError> {
        let failed = backend("open its databases");
        let last_versions = opener.open_database(transaction, Some("last_versions"));
        let tags = opener.open_database(transaction, Some("tags"));
        let streams = opener.open_database(transaction, Some("streams"));
        let versions = opener.open_database(transaction, Some("versions"));
        Ok((
            table,
            database(opener, transaction, "log")?,
            database(opener, transaction, "removed")?,
            database(opener, transaction, "index")?,
            database(opener, transaction, "entries")?,
            last_versions.map_err(&failed)?,
            tags.map_err(&failed)?,
            streams.map_err(&failed)?,
            versions.map_err(&failed)?,
        ))
    }

    /// Returns whether no record is missing between an expected position and the one that was found: what was removed
    /// is noted. Stores of format 1 did not note it.
    pub(crate) fn nothing_missing(
        &self,
        transaction: &RoTxn<'_>,
        expected: Position,
        found: Position,
    ) -> Result<bool, StoreError> {
        Ok(self.adjoins(expected, found)
            || self
                .removed
                .covers(transaction, &(self.noted(expected)..=found.previous()))?)
    }

    /// Returns whether no record can be missing, whatever was removed.
    pub(crate) fn adjoins(&self, expected: Position, found: Position) -> bool {
        found <= self.noted(expected)
    }

    /// Returns the first position, from one on, of which the store notes whether it was removed.
    fn noted(&self, from: Position) -> Position {
        from.max(self.about.format_1_until.next())
    }

    /// Returns the first run of missing positions between an expected position and the one that was found; `None`
    /// when [nothing is missing](Databases::nothing_missing).
    pub(crate) fn first_missing(
        &self,
        transaction: &RoTxn<'_>,
        expected: Position,
        found: Position,
    ) -> Result<Option<RangeInclusive<Position>>, StoreError> {
        if self.adjoins(expected, found) {
            return Ok(None);
        }
        self.removed
            .first_not_removed(transaction, self.noted(expected)..=found.previous())
    }

    /// Returns the records at these positions; an error where one is missing.
    pub(crate) fn forward<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        positions: RangeInclusive<Position>,
    ) -> Result<impl Iterator<Item = Item<'t>> + use<'_, 't>, StoreError> {
        let (first, last) = positions.into_inner();
        let ends = first.previous()..last.min(self.log.last_position(transaction)?).next();
        let records = self.log.forward(transaction, first..=last)?;
        Ok(self.without_gaps(transaction, records, Direction::Forward, ends))
    }

    /// Returns the records up to this position, the last one first; an error where one is missing.
    pub(crate) fn backward<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        last: Position,
    ) -> Result<impl Iterator<Item = Item<'t>> + use<'_, 't>, StoreError> {
        let ends = last.next()..Position::ZERO;
        let records = self.log.backward(transaction, last)?;
        Ok(self.without_gaps(transaction, records, Direction::Backward, ends))
    }

    /// Records, with an error where one is missing between two of them, or between them and the `ends`: the positions
    /// before the first record and behind the last one, in reading order.
    fn without_gaps<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        mut records: impl Iterator<Item = Item<'t>>,
        direction: Direction,
        ends: Range<Position>,
    ) -> impl Iterator<Item = Item<'t>> {
        let mut passed = ends.start;
        let mut none_removed = NONE_KNOWN;
        iter::from_fn(move || {
            let (found, record) = match records.next() {
                Some(Ok((position, bytes))) => {
                    if let Err(error) =
                        self.refuse_removed(transaction, position, &mut none_removed)
                    {
                        return Some(Err(error));
                    }
                    (position, Some((position, bytes)))
                }
                Some(Err(error)) => return Some(Err(error)),
                // Some may be missing at the end, too.
                None => (ends.end, None),
            };
            let nothing_missing = match direction {
                Direction::Forward => self.expect(transaction, passed.next(), found),
                Direction::Backward => self.expect(transaction, found.next(), passed),
            };
            passed = found;
            nothing_missing.map(|()| record).transpose()
        })
    }

    /// Returns an error for a record that was removed and is there again: a damaged page of LMDB may lead to an old
    /// one. Does a lookup only where the last one is not near.
    pub(crate) fn refuse_removed(
        &self,
        transaction: &RoTxn<'_>,
        position: Position,
        none_removed: &mut RangeInclusive<Position>,
    ) -> Result<(), StoreError> {
        if none_removed.contains(&position) {
            return Ok(());
        }
        match self.removed.none_around(transaction, position)? {
            Some(around) => {
                *none_removed = around;
                Ok(())
            }
            None => {
                let reason = "it was removed, and is there again";
                Err(corrupt(position, None, reason.to_owned()))
            }
        }
    }

    /// Returns an error if a record is missing between an expected position and the one that was found.
    pub(crate) fn expect(
        &self,
        transaction: &RoTxn<'_>,
        expected: Position,
        found: Position,
    ) -> Result<(), StoreError> {
        if self.nothing_missing(transaction, expected, found)? {
            return Ok(());
        }
        Err(corrupt(expected, None, "it is missing".to_owned()))
    }

    /// Returns the runs of tags and names.
    pub(crate) fn runs(&self, transaction: &RoTxn<'_>) -> Result<Runs, StoreError> {
        let Some(tags) = self.tags else {
            return Ok(None);
        };
        Ok(Some((tags, self.about.tag_manifest(transaction)?)))
    }

    /// Returns the number of their pages.
    pub(crate) fn pages(&self, transaction: &RoTxn<'_>) -> Result<u64, StoreError> {
        let mut stats = vec![
            self.about.table().stat(transaction),
            self.log.0.stat(transaction),
            self.removed.0.stat(transaction),
            self.index.entries.stat(transaction),
            self.entries.stat(transaction),
        ];
        if let Some(versions) = &self.index.versions {
            stats.push(versions.stat(transaction));
        }
        if let Some(tags) = &self.tags {
            stats.push(tags.0.stat(transaction));
        }
        if let Some(format_1) = &self.format_1 {
            stats.push(format_1.streams.stat(transaction));
            stats.push(format_1.versions.stat(transaction));
        }
        let mut sum = 0_u64;
        for stat in stats {
            let stat = stat.map_err(backend("look at its pages"))?;
            sum = sum.saturating_add(pages(&stat));
        }
        Ok(sum)
    }

    pub(crate) fn new(
        (table, log, removed, index, entries, last_versions, tags, streams, versions): Opened<
            'static,
        >,
        transaction: &RoTxn<'_>,
    ) -> Result<Self, StoreError> {
        let about = About::new(table, transaction)?;
        let secret = about.secret(transaction)?;
        Ok(Databases {
            about,
            keys: StreamKeys::new(secret),
            tag_keys: TagKeys::new(secret),
            log: Log(log),
            removed: Removed(removed),
            index: Index {
                entries: index,
                versions: last_versions,
            },
            entries,
            tags: tags.map(Tags),
            format_1: streams
                .zip(versions)
                .filter(|_| about.format_1_until > Position::ZERO)
                .map(|(streams, versions)| Format1 { streams, versions }),
        })
    }
}

/// Returns the number of pages of a database. A damaged page may report any number.
pub(crate) const fn pages(stat: &DatabaseStat) -> u64 {
    let tree = stat.branch_pages.saturating_add(stat.leaf_pages);
    tree.saturating_add(stat.overflow_pages) as u64
}
