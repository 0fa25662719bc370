//! Rows of the database, as events and states.

use crate::error;
use midgard::event::{Codec, HeadersRef, RecordedEventRef, TagsRef};
use midgard::store::{StoreError, StreamState};
use midgard::{EventId, LogId, Position, Timestamp, Version};
use std::error::Error;
use std::time::SystemTime;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

/// The codes of codecs are bytes.
pub(crate) fn codec_of(code: i16) -> Result<Codec, Box<dyn Error + Send + Sync>> {
    let code = u8::try_from(code).map_err(|_| format!("its codec is {code}"))?;
    Ok(Codec::from_code(code))
}

/// Returns a number of PostgreSQL, which has none without a sign.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a row with the columns of `statements::COLUMNS` in place.
pub(crate) fn event(row: &Row) -> Result<RecordedEventRef<'_>, StoreError> {
    parts(row).map_err(|reason| {
        let position = row.try_get::<_, i64>(0).unwrap_or_default();
        StoreError::Corrupt {
            log: LogId::MAIN,
            position: Position(position.unsigned_abs()),
            stream: row.try_get(1).ok(),
            reason: reason.to_string(),
        }
    })
}

fn parts(row: &Row) -> Result<RecordedEventRef<'_>, Box<dyn Error + Send + Sync>> {
    let id = |id: Uuid| EventId::from_bytes(*id.as_bytes());
    let schema_version: i64 = row.try_get(6)?;
    let tags = TagsRef::from_bytes(row.try_get(9)?).ok_or("its tags cannot be read")?;
    let headers = HeadersRef::from_bytes(row.try_get(10)?).ok_or("its headers cannot be read")?;
    Ok(RecordedEventRef {
        log: LogId::MAIN,
        position: Position(counted(row, 0, "position")?),
        stream: row.try_get(1)?,
        version: Version(counted(row, 2, "version")?),
        id: id(row.try_get(3)?),
        time: Timestamp::from(row.try_get::<_, SystemTime>(4)?),
        name: row.try_get(5)?,
        schema_version: u32::try_from(schema_version)
            .map_err(|_| format!("its schema version is {schema_version}"))?,
        codec: codec_of(row.try_get(7)?)?,
        payload: row.try_get(8)?,
        tags,
        correlation_id: row.try_get::<_, Option<Uuid>>(11)?.map(id),
        causation_id: row.try_get::<_, Option<Uuid>>(12)?.map(id),
        headers,
    })
}

fn counted(row: &Row, index: usize, what: &str) -> Result<u64, Box<dyn Error + Send + Sync>> {
    let number: i64 = row.try_get(index)?;
    u64::try_from(number).map_err(|_| format!("its {what} is {number}").into())
}

/// Reads the state in a row of a stream, after its name.
pub(crate) fn state(row: &Row) -> Result<StreamState, StoreError> {
    Ok(StreamState {
        last: Version(number(row, 1)?),
        first: Version(number(row, 2)?),
        tombstoned: column(row, 3)?,
    })
}

/// Reads a number that is never negative.
pub(crate) fn number(row: &Row, index: usize) -> Result<u64, StoreError> {
    column::<i64>(row, index).map(i64::unsigned_abs)
}

/// Reads one column.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, StoreError> {
    let value = row.try_get(index);
    value.map_err(|error| error::store_error("read a row of its tables", &error))
}
