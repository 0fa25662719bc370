//! The databases that stores of format 1 have in addition to the log: the state of each stream, and an index of all
//! versions.
//!
//! Both are read only for the streams and events from before the store was upgraded to format 2.

use crate::error::{backend, corrupt};
use crate::fields::Fields;
use heed::byteorder::{BigEndian, LittleEndian};
use heed::types::{Bytes, Str, U64, U128};
use heed::{Database, RoTxn};
use midgard::store::{StoreError, StreamState};
use midgard::{Position, Version};
use std::ops::Bound;

/// Streams by name.
pub(crate) type Streams<'e> = Database<'e, Str, Bytes>;
/// Positions by stream number and version.
pub(crate) type Versions<'e> = Database<'e, U128<BigEndian>, U64<LittleEndian>>;

/// The databases of format 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format1 {
    pub(crate) streams: Streams<'static>,
    pub(crate) versions: Versions<'static>,
}

/// The stored state of a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    number: u64,
    pub(crate) state: StreamState,
}

impl Format1 {
    /// Returns the stored state of a stream; `None` if it had no event then.
    pub(crate) fn stream(
        &self,
        transaction: &RoTxn<'_>,
        name: &str,
    ) -> Result<Option<Stream>, StoreError> {
        let bytes = self.streams.get(transaction, name);
        let bytes = bytes.map_err(backend("read a stream's state"))?;
        bytes.map(|bytes| stream(name, bytes)).transpose()
    }

    /// Returns the position of the event at a version that the stream had then.
    pub(crate) fn position(
        &self,
        transaction: &RoTxn<'_>,
        name: &str,
        version: Version,
    ) -> Result<Position, StoreError> {
        let position = match self.stream(transaction, name)? {
            Some(stream) => self.position_in(transaction, stream, version)?,
            None => None,
        };
        position.ok_or_else(|| {
            let reason = format!("version {version} of the stream is missing");
            corrupt(Position::ZERO, Some(name), reason)
        })
    }

    /// As [`position`](Format1::position), for a known stream; `None` when the event is not there.
    pub(crate) fn position_in(
        &self,
        transaction: &RoTxn<'_>,
        stream: Stream,
        version: Version,
    ) -> Result<Option<Position>, StoreError> {
        let key = u128::from(stream.number) << 64 | u128::from(version.get());
        let position = self.versions.get(transaction, &key);
        Ok(position.map_err(backend("read the index"))?.map(Position))
    }

    /// Returns the names of the streams after one, in order; all of them after an empty name.
    pub(crate) fn names<'t>(
        &self,
        transaction: &'t RoTxn<'_>,
        after: &str,
    ) -> Result<impl Iterator<Item = Result<&'t str, StoreError>> + use<'t>, StoreError> {
        let behind = match after {
            "" => Bound::Unbounded,
            after => Bound::Excluded(after),
        };
        let streams = self.streams.range(transaction, &(behind, Bound::Unbounded));
        let streams = streams.map_err(backend("read the streams"))?;
        Ok(streams.map(|stream| {
            let (name, _) = stream.map_err(backend("read the streams"))?;
            Ok(name)
        }))
    }
}

fn stream(name: &str, bytes: &[u8]) -> Result<Stream, StoreError> {
    parse(bytes).ok_or_else(|| StoreError::Backend {
        action: "read a stream's state",
        cause: format!("the state of stream \"{name}\" is damaged").into(),
    })
}

fn parse(bytes: &[u8]) -> Option<Stream> {
    let mut rest = Fields(bytes);
    let number = u64::from_le_bytes(*rest.chunk()?);
    let first = Version(u64::from_le_bytes(*rest.chunk()?));
    let last = Version(u64::from_le_bytes(*rest.chunk()?));
    let tombstoned = match rest.0 {
        [0] => false,
        [1] => true,
        _ => return None,
    };
    let state = StreamState {
        first,
        last,
        tombstoned,
    };
    Some(Stream { number, state })
}
