//! The first database: facts about the store as a whole.

use crate::checksum;
use crate::creation;
use crate::error::backend;
use crate::index::Manifest;
use crate::tags::TagManifest;
use heed::types::{Bytes, Str};
use heed::{Database, DatabaseOpener, RoTxn, RwTxn, WithoutTls};
use midgard::store::StoreError;
use midgard::{Position, Timestamp};
use std::path::Path;

/// The format of stores that this release makes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 2;

/// Facts about the store, by name.
pub(crate) type AboutTable<'e> = Database<'e, Str, Bytes>;

/// The facts about the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    table: AboutTable<'static>,
    /// The end of the records of format 1 in the log; zero in a store that began with a later format.
    pub(crate) format_1_until: Position,
}

impl About {
    pub(crate) fn new(
        table: AboutTable<'static>,
        transaction: &RoTxn<'_>,
    ) -> Result<Self, StoreError> {
        let until = table.get(transaction, "format 1 until");
        let until = until.map_err(backend("open its databases"))?;
        let until = until.and_then(|bytes| bytes.try_into().ok().map(u64::from_le_bytes));
        Ok(About {
            table,
            format_1_until: Position(until.unwrap_or_default()),
        })
    }

    pub(crate) const fn table(&self) -> AboutTable<'static> {
        self.table
    }

    /// Writes what is already there, so that a transaction with nothing else to commit commits something.
    pub(crate) fn rewrite(&self, transaction: &mut RwTxn<'_>) -> heed::Result<()> {
        self.table.put(transaction, "format", &FORMAT.to_le_bytes())
    }

    /// Returns the secret of the store, which makes the keys of its streams, tags and names.
    pub(crate) fn secret<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
    ) -> Result<&'t [u8; 16], StoreError> {
        let id = self.table.get(transaction, "id");
        let id = id.map_err(backend("open its databases"))?;
        let id = id.and_then(|stored| {
            let (id, checksum) = stored.split_first_chunk::<16>()?;
            (checksum == checksum_of(id)).then_some(id)
        });
        id.ok_or_else(|| StoreError::Backend {
            action: "open its databases",
            cause: "the id of the store is damaged; restore it from a backup".into(),
        })
    }

    /// Returns the manifest of the index.
    pub(crate) fn manifest<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
    ) -> Result<Manifest<'t>, StoreError> {
        let bytes = self.table.get(transaction, "index");
        match bytes.map_err(backend("read the index"))? {
            Some(bytes) => Manifest::parse(bytes),
            None => Ok(Manifest::none(self.format_1_until)),
        }
    }

    pub(crate) fn set_manifest(
        &self,
        transaction: &mut RwTxn<'_>,
        manifest: &[u8],
    ) -> Result<(), StoreError> {
        let put = self.table.put(transaction, "index", manifest);
        put.map_err(backend("write the index"))
    }
}

/// The index of tags and names. Releases without it leave its manifest as it is.
impl About {
    /// Returns its manifest.
    pub(crate) fn tag_manifest(&self, transaction: &RoTxn<'_>) -> Result<TagManifest, StoreError> {
        let bytes = self.table.get(transaction, "tags");
        match bytes.map_err(backend("read the index of tags"))? {
            Some(bytes) => TagManifest::parse(bytes),
            None => Ok(TagManifest::NONE),
        }
    }

    pub(crate) fn set_tag_manifest(
        &self,
        transaction: &mut RwTxn<'_>,
        manifest: &TagManifest,
    ) -> Result<(), StoreError> {
        let put = self.table.put(transaction, "tags", &manifest.encode());
        put.map_err(backend("write the index of tags"))
    }
}

/// With another id, no stream would be found in the index.
fn checksum_of(id: &[u8; 16]) -> [u8; 4] {
    checksum::of(id).to_le_bytes()
}

fn with_checksum(id: &[u8; 16]) -> [u8; 20] {
    let mut stored = [0; 20];
    stored[..16].copy_from_slice(id);
    stored[16..].copy_from_slice(&checksum_of(id));
    stored
}

/// What opening found of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing, or a store of an older format: databases may have to be made.
    NotThis,
    /// One of this format, which has all its databases.
    This,
}

/// Opens the database and checks the format; creates both in an empty environment. A store of an older format becomes
/// one of this format; its contents stay as they are.
pub(crate) fn open<'e>(
    path: &Path,
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &mut RwTxn<'e>,
) -> Result<(AboutTable<'e>, Found), StoreError> {
    let failed = backend("open its databases");
    if let Some((table, format)) = find(path, opener, transaction)? {
        if format == FORMAT {
            return Ok((table, Found::This));
        }
        let until = end_of_format_1(opener, transaction)?;
        let id = table.get(transaction, "id").map_err(&failed)?;
        let id = id.and_then(|id| id.try_into().ok());
        let id = id.ok_or_else(|| foreign(path, "it has no id of 16 bytes"))?;
        let id = with_checksum(id);
        let put =
            |(name, value): (&str, &[u8])| table.put(transaction, name, value).map_err(&failed);
        [
            ("format 1 until", &until.get().to_le_bytes()[..]),
            ("format", &FORMAT.to_le_bytes()),
            ("id", &id),
        ]
        .into_iter()
        .try_for_each(put)?;
        return Ok((table, Found::NotThis));
    }
    let table = opener.create_database(transaction, Some("midgard"));
    let table: AboutTable<'_> = table.map_err(&failed)?;
    let created = Timestamp::now().as_micros().to_le_bytes();
    for (name, value) in [
        ("format", &FORMAT.to_le_bytes()[..]),
        ("created", &created),
        ("id", &with_checksum(&new_id()?)),
    ] {
        table.put(transaction, name, value).map_err(&failed)?;
    }
    Ok((table, Found::NotThis))
}

/// Makes the id of a new store. It keys the hash by which streams are found, so that nobody can choose names that
/// collide. All of its bits come from the system's random source; a UUID would contain the time.
fn new_id() -> Result<[u8; 16], StoreError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| StoreError::Backend {
        action: "make an id that nobody can guess",
        cause: error.to_string().into(),
    })?;
    Ok(id)
}

/// Opens the database as [`open`] does, but creates and changes nothing.
pub(crate) fn open_read_only<'e>(
    path: &Path,
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &RoTxn<'e>,
) -> Result<AboutTable<'e>, StoreError> {
    let reason = match find(path, opener, transaction)? {
        Some((table, FORMAT)) => return Ok(table),
        Some((_, format)) => format!(
            "{} has format {format}, and has to become one of format {FORMAT} before it can be read; open it once without \
             read_only, or a copy of it",
            path.display()
        ),
        None => return Err(creation::unfinished(path)),
    };
    Err(StoreError::Backend {
        action: "open it read-only",
        cause: reason.into(),
    })
}

/// Finds the database and a format that this release can read. Returns `None` in an empty environment.
fn find<'e>(
    path: &Path,
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &RoTxn<'e>,
) -> Result<Option<(AboutTable<'e>, u32)>, StoreError> {
    let failed = backend("open its databases");
    let table = opener.open_database::<Str, Bytes>(transaction, Some("midgard"));
    if let Some(table) = table.map_err(&failed)? {
        let format = table.get(transaction, "format").map_err(&failed)?;
        let format = format.and_then(|bytes| bytes.try_into().ok().map(u32::from_le_bytes));
        return match format {
            Some(found @ 1..=FORMAT) => Ok(Some((table, found))),
            Some(found) if found > FORMAT => Err(StoreError::NewerFormat {
                path: path.to_owned(),
                found,
                supported: FORMAT,
            }),
            _ => {
                let reason = "its format is not a number that any release wrote";
                Err(foreign(path, reason))
            }
        };
    }
    let unnamed = opener.open_database::<Bytes, Bytes>(transaction, None);
    let is_empty = match unnamed.map_err(&failed)? {
        Some(unnamed) => unnamed.is_empty(transaction).map_err(&failed)?,
        None => true,
    };
    if !is_empty {
        let reason = "it is an LMDB environment of another program";
        return Err(foreign(path, reason));
    }
    Ok(None)
}

fn foreign(path: &Path, reason: &str) -> StoreError {
    StoreError::Foreign {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Returns the last position of a store of format 1.
fn end_of_format_1<'e>(
    opener: &DatabaseOpener<'e, WithoutTls>,
    transaction: &RwTxn<'e>,
) -> Result<Position, StoreError> {
    let failed = backend("open its databases");
    let log = opener.open_database::<Bytes, Bytes>(transaction, Some("log"));
    let Some(log) = log.map_err(&failed)? else {
        return Ok(Position::ZERO);
    };
    let last = log.last(transaction).map_err(&failed)?;
    let last = last.and_then(|(key, _)| key.try_into().ok().map(u64::from_be_bytes));
    Ok(Position(last.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_no_bit_that_is_known_beforehand() {
        let ids: Vec<_> = (0..64).map(|_| new_id().unwrap()).collect();
        // The probability that a bit is the same in all of them by chance is 1 in 2 to the 63.
        let always = |of: fn(u8) -> u8| {
            let all = ids.iter().map(|id| id.map(of));
            let all = all.reduce(|one, other| std::array::from_fn(|at| one[at] & other[at]));
            all.unwrap()
        };
        assert_eq!(always(|byte| byte), [0; 16], "bits that are always 1");
        assert_eq!(always(|byte| !byte), [0; 16], "bits that are always 0");
    }
}
