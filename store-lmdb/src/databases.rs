//! The databases in an environment, and what is in the first of them: the format of the store.

use crate::error::{backend, corrupt};
use crate::record::{self, Record};
use heed::byteorder::{BigEndian, LittleEndian};
use heed::types::{Bytes, Str, U64, U128};
use heed::{Database, DatabaseOpener, RoTxn, RwTxn, WithoutTls};
use midgard::{EventId, Position, StoreError, StreamState, Timestamp, Version};
use std::path::Path;

/// The format of stores that this release makes, and the newest that it reads.
pub(crate) const FORMAT: u32 = 1;

/// The log: what is recorded, by position. Everything else is derived from it.
pub(crate) type Log = Database<'static, U64<BigEndian>, Bytes>;
/// Streams by name.
pub(crate) type Streams = Database<'static, Str, Bytes>;
/// Positions by stream number and version.
pub(crate) type Versions = Database<'static, U128<BigEndian>, U64<LittleEndian>>;
/// Small values beside the events, by key.
pub(crate) type Entries = Database<'static, Bytes, Bytes>;

/// The databases of a store.
pub(crate) struct Databases {
    pub(crate) log: Log,
    pub(crate) streams: Streams,
    pub(crate) versions: Versions,
    pub(crate) entries: Entries,
}

type Opened<'e> = (
    Database<'e, U64<BigEndian>, Bytes>,
    Database<'e, Str, Bytes>,
    Database<'e, U128<BigEndian>, U64<LittleEndian>>,
    Database<'e, Bytes, Bytes>,
);

impl From<(Log, Streams, Versions, Entries)> for Databases {
    fn from((log, streams, versions, entries): (Log, Streams, Versions, Entries)) -> Self {
        Databases {
            log,
            streams,
            versions,
            entries,
        }
    }
}

impl Databases {
    /// How many there are.
    pub(crate) const COUNT: u32 = 5;

    /// Checks the format, and opens the databases; makes them in an empty environment.
    pub(crate) fn open<'e>(
        path: &Path,
        opener: &DatabaseOpener<'e, WithoutTls>,
        transaction: &mut RwTxn<'e>,
    ) -> Result<Opened<'e>, StoreError> {
        let failed = backend("open its databases");
        let foreign = |reason: &str| StoreError::Foreign {
            path: path.to_owned(),
            reason: reason.to_owned(),
        };
        match opener
            .open_database::<Str, Bytes>(transaction, Some("midgard"))
            .map_err(&failed)?
        {
            Some(about) => {
                let format = about.get(transaction, "format").map_err(&failed)?;
                let format = format.and_then(|bytes| bytes.try_into().ok().map(u32::from_le_bytes));
                match format {
                    Some(FORMAT) => {}
                    Some(found) if found > FORMAT => {
                        return Err(StoreError::NewerFormat {
                            path: path.to_owned(),
                            found,
                            supported: FORMAT,
                        });
                    }
                    _ => return Err(foreign("its format is not a number that any release wrote")),
                }
            }
            None => {
                let unnamed = opener
                    .open_database::<Bytes, Bytes>(transaction, None)
                    .map_err(&failed)?;
                let is_empty = match unnamed {
                    Some(unnamed) => unnamed.is_empty(transaction).map_err(&failed)?,
                    None => true,
                };
                if !is_empty {
                    return Err(foreign("it is an LMDB environment of another program"));
                }
                let about = opener
                    .create_database::<Str, Bytes>(transaction, Some("midgard"))
                    .map_err(&failed)?;
                let created = Timestamp::now().as_micros().to_le_bytes();
                for (key, value) in [
                    ("format", &FORMAT.to_le_bytes()[..]),
                    ("created", &created[..]),
                    ("id", &EventId::new().as_bytes()[..]),
                ] {
                    about.put(transaction, key, value).map_err(&failed)?;
                }
            }
        }
        Ok((
            opener
                .create_database(transaction, Some("log"))
                .map_err(&failed)?,
            opener
                .create_database(transaction, Some("streams"))
                .map_err(&failed)?,
            opener
                .create_database(transaction, Some("versions"))
                .map_err(&failed)?,
            // Also made in stores of releases that had none; those pass over it.
            opener
                .create_database(transaction, Some("entries"))
                .map_err(&failed)?,
        ))
    }

    /// The last position that was given away; zero in an empty log.
    pub(crate) fn last_position(&self, transaction: &RoTxn<'_>) -> Result<Position, StoreError> {
        let last = self
            .log
            .last(transaction)
            .map_err(backend("read the end of the log"))?;
        Ok(last.map_or(Position::ZERO, |(position, _)| Position(position)))
    }

    /// The record at a position; `None` where there is none (any more).
    pub(crate) fn record<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        position: Position,
    ) -> Result<Option<Record<'t>>, StoreError> {
        let bytes = self
            .log
            .get(transaction, &position.get())
            .map_err(backend("read the log"))?;
        bytes.map(|bytes| parse(position, bytes)).transpose()
    }

    /// A stream; `None` when it never had an event.
    pub(crate) fn stream(
        &self,
        transaction: &RoTxn<'_>,
        name: &str,
    ) -> Result<Option<Stream>, StoreError> {
        let bytes = self
            .streams
            .get(transaction, name)
            .map_err(backend("read a stream's state"))?;
        bytes
            .map(|bytes| {
                Stream::from_bytes(bytes).ok_or_else(|| StoreError::Backend {
                    action: "read a stream's state",
                    source: format!("the state of stream \"{name}\" is damaged").into(),
                })
            })
            .transpose()
    }
}

/// Reads a record of the log.
pub(crate) fn parse(position: Position, bytes: &[u8]) -> Result<Record<'_>, StoreError> {
    record::parse(position, bytes).map_err(|reason| corrupt(position, None, reason))
}

/// What is kept of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    /// Its number: the position of its first event, which no other stream can have.
    pub(crate) number: u64,
    pub(crate) state: StreamState,
}

impl Stream {
    const LENGTH: usize = 25;

    pub(crate) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.state.first.get().to_le_bytes());
        bytes[16..24].copy_from_slice(&self.state.last.get().to_le_bytes());
        bytes[24] = u8::from(self.state.tombstoned);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let tombstoned = match rest {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        let state = StreamState {
            first: Version(first),
            last: Version(last),
            tombstoned,
        };
        Some(Stream {
            number: u64::from_le_bytes(*number),
            state,
        })
    }

    /// The key of one of its versions, in the order of versions.
    pub(crate) const fn key(&self, version: Version) -> u128 {
        (self.number as u128) << 64 | version.get() as u128
    }
}

/// The version in a key that [`Stream::key`] made.
pub(crate) const fn version_of(key: u128) -> Version {
    Version(key as u64)
}
