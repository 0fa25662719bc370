//! Reads of events, in batches.

use crate::Shared;
use crate::error::{self, is_lost};
use crate::query_sql::Asked;
use crate::rows::{self, signed};
use deadpool_postgres::Object;
use futures_util::{TryStreamExt, future, pin_mut};
use midgard::store::{Direction, ReadLog, ReadStream, StoreError, StreamState, Visit};
use midgard::{LogId, Position, StreamName, Version};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row, RowStream};

/// How many events the first batch of a read has, and how many a batch has at most. Each batch is one statement: the
/// server keeps nothing for a reader in between.
const FIRST_BATCH: u64 = 256;
const LARGEST_BATCH: u64 = 2048;
/// A batch with more bytes is followed by a smaller one: who stops reading leaves the rest of a batch on its way.
const BATCH_BYTES: usize = 4 << 20;

/// How large the next batch is.
struct Pace {
    rows: u64,
    bytes: usize,
}

impl Pace {
    const fn new() -> Self {
        Pace {
            rows: FIRST_BATCH,
            bytes: 0,
        }
    }

    /// Returns the size of the next batch, when this many events are still wanted.
    fn next(&mut self, wanted: u64) -> u64 {
        self.bytes = 0;
        self.rows.min(wanted)
    }

    fn ended(&mut self) {
        self.rows = if self.bytes > BATCH_BYTES {
            (self.rows / 4).max(1)
        } else {
            (self.rows * 2).min(LARGEST_BATCH)
        };
    }
}

const ACTION: &str = "read events";

/// Reads a stream. Its state and its first events take one round trip.
pub(crate) async fn read_stream(
    shared: &Shared,
    read: &ReadStream,
    visit: &mut Visit<'_>,
) -> Result<StreamState, StoreError> {
    let mut left = read.limit;
    let mut from = match read.direction {
        Direction::Forward => read.from.max(Version::FIRST),
        Direction::Backward => read.from,
    };
    let mut began = None;
    let mut pace = Pace::new();
    loop {
        let wanted = pace.next(left);
        let (client, state, rows) =
            stream_batch(shared, read, from, wanted, began.is_none()).await?;
        let state = *began.get_or_insert(state);
        let mut count = 0;
        let mut last = None;
        pin_mut!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| failed(&error))? {
            let event = rows::event(&row)?;
            count += 1;
            last = Some(event.version);
            if event.version > state.last {
                match read.direction {
                    // Events appended after the read began are not part of it.
                    Direction::Forward => return Ok(state),
                    Direction::Backward => continue,
                }
            }
            pace.bytes += event.payload.len();
            left -= 1;
            if visit(event).is_break() || left == 0 {
                return Ok(state);
            }
        }
        drop(client);
        let Some(last) = last.filter(|_| count == wanted && left > 0) else {
            return Ok(state);
        };
        from = match read.direction {
            Direction::Forward => last.next(),
            Direction::Backward if last > Version::FIRST => last.previous(),
            Direction::Backward => return Ok(state),
        };
        pace.ended();
    }
}

/// Returns the state of a stream and its events from a version on. The connection is kept while the events arrive.
async fn stream_batch(
    shared: &Shared,
    read: &ReadStream,
    from: Version,
    wanted: u64,
    with_state: bool,
) -> Result<(Object, StreamState, RowStream), StoreError> {
    let sql = match read.direction {
        Direction::Forward => &shared.statements.stream_forward,
        Direction::Backward => &shared.statements.stream_backward,
    };
    let name = read.stream.as_str();
    let (from, limit) = (signed(from.get()), signed(wanted));
    let mut tries = Tries::default();
    loop {
        let client = shared.connections.reading().await?;
        let begun = async {
            let statement = client.prepare_cached(sql).await?;
            let parameters: [&(dyn ToSql + Sync); 3] = [&name, &from, &limit];
            let rows = client.query_raw(&statement, parameters);
            if !with_state {
                return Ok((None, rows.await?));
            }
            let of_state = client
                .prepare_cached(&shared.statements.stream_state)
                .await?;
            let parameters: [&(dyn ToSql + Sync); 1] = [&name];
            future::try_join(client.query_opt(&of_state, &parameters), rows).await
        };
        match begun.await {
            Ok((state, rows)) => {
                let state = state.as_ref().map_or(Ok(StreamState::NONE), rows::state)?;
                return Ok((client, state, rows));
            }
            Err(error) => tries.failed(client, ACTION, &error)?,
        }
    }
}

/// Returns the state of a stream.
pub(crate) async fn stream_state(
    shared: &Shared,
    stream: &StreamName,
) -> Result<StreamState, StoreError> {
    let name = stream.as_str();
    let row = one_row(shared, &shared.statements.stream_state, &[&name]).await?;
    row.as_ref().map_or(Ok(StreamState::NONE), rows::state)
}

/// Returns the position of the last event.
pub(crate) async fn last_position(shared: &Shared) -> Result<Position, StoreError> {
    let row = one_row(shared, &shared.statements.last_position, &[]).await?;
    let position = row.as_ref().map_or(Ok(0), |row| rows::number(row, 0))?;
    Ok(Position(position))
}

async fn one_row(
    shared: &Shared,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, StoreError> {
    let mut tries = Tries::default();
    loop {
        let client = shared.connections.reading().await?;
        let asked = async {
            let statement = client.prepare_cached(sql).await?;
            client.query_opt(&statement, parameters).await
        };
        match asked.await {
            Ok(row) => return Ok(row),
            Err(error) => tries.failed(client, ACTION, &error)?,
        }
    }
}

/// Reads a log. Its end and the first events take one round trip.
pub(crate) async fn read_log(
    shared: &Shared,
    read: &ReadLog,
    visit: &mut Visit<'_>,
) -> Result<Position, StoreError> {
    check_log(read.log)?;
    let asked = Asked::new(&read.query);
    let sql = match (asked.everything, read.direction) {
        (true, Direction::Forward) => shared.statements.log_forward.clone(),
        (true, Direction::Backward) => shared.statements.log_backward.clone(),
        (false, _) if asked.alternatives.is_empty() => String::new(),
        (false, direction) => asked.read(&shared.statements, direction),
    };
    let before = match read.direction {
        Direction::Forward => read.from.previous(),
        Direction::Backward => read.from.next(),
    };
    if read.limit == 0 {
        return Ok(before);
    }
    let complete = |end: Position| match read.direction {
        Direction::Forward => end.max(before),
        Direction::Backward => Position::ZERO,
    };
    if sql.is_empty() {
        return Ok(complete(last_position(shared).await?));
    }
    let mut left = read.limit;
    let mut from = read.from;
    let mut began = None;
    let mut pace = Pace::new();
    loop {
        let wanted = pace.next(left);
        let batch = LogBatch {
            sql: &sql,
            asked: &asked,
            direction: read.direction,
            from,
            wanted,
            with_end: began.is_none(),
        };
        let (client, end, rows) = batch.begin(shared).await?;
        let end = *began.get_or_insert(end);
        let mut count = 0;
        let mut last = None;
        pin_mut!(rows);
        while let Some(row) = rows.try_next().await.map_err(|error| failed(&error))? {
            let event = rows::event(&row)?;
            count += 1;
            last = Some(event.position);
            if event.position > end {
                match read.direction {
                    Direction::Forward => return Ok(complete(end)),
                    // Events appended since are before the start of a backward read.
                    Direction::Backward => continue,
                }
            }
            let position = event.position;
            pace.bytes += event.payload.len();
            left -= 1;
            if visit(event).is_break() || left == 0 {
                return Ok(position);
            }
        }
        drop(client);
        let Some(last) = last.filter(|_| count == wanted) else {
            return Ok(complete(end));
        };
        from = match read.direction {
            Direction::Forward => last.next(),
            Direction::Backward if last > Position::FIRST => last.previous(),
            Direction::Backward => return Ok(Position::ZERO),
        };
        pace.ended();
    }
}

/// The next events of a log.
struct LogBatch<'a> {
    sql: &'a str,
    asked: &'a Asked<'a>,
    direction: Direction,
    from: Position,
    wanted: u64,
    with_end: bool,
}

impl LogBatch<'_> {
    /// Asks for the events, and for the end of the log before them.
    async fn begin(&self, shared: &Shared) -> Result<(Object, Position, RowStream), StoreError> {
        let (from, limit) = (signed(self.from.get()), signed(self.wanted));
        let (low, high) = match self.direction {
            Direction::Forward => (from, i64::MAX),
            Direction::Backward => (0, from),
        };
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&low, &high, &limit];
        if self.asked.everything {
            parameters.push(&self.asked.tombstones);
        }
        for (shape, alternatives) in &self.asked.alternatives {
            parameters.extend(alternatives.parameters(shape.is_named()));
        }
        let mut tries = Tries::default();
        loop {
            let client = shared.connections.reading().await?;
            let begun = async {
                let statement = client.prepare_cached(self.sql).await?;
                let rows = client.query_raw(&statement, parameters.iter().copied());
                if !self.with_end {
                    return Ok((None, rows.await?));
                }
                let of_end = client
                    .prepare_cached(&shared.statements.last_position)
                    .await?;
                future::try_join(client.query_opt(&of_end, &[]), rows).await
            };
            match begun.await {
                Ok((end, rows)) => {
                    let end = end.as_ref().map_or(Ok(0), |row| rows::number(row, 0))?;
                    return Ok((client, Position(end), rows));
                }
                Err(error) => tries.failed(client, ACTION, &error)?,
            }
        }
    }
}

/// Refuses logs that do not exist.
pub(crate) fn check_log(log: LogId) -> Result<(), StoreError> {
    if log == LogId::MAIN {
        return Ok(());
    }
    let last = LogId::MAIN;
    Err(StoreError::UnknownLog { log, last })
}

/// How often a read lost its connection: that may have happened long ago, while nobody used it.
#[derive(Default)]
pub(crate) struct Tries {
    is_lost: bool,
}

impl Tries {
    /// Returns the error, unless it is worth another try with another connection.
    pub(crate) fn failed(
        &mut self,
        client: Object,
        action: &'static str,
        error: &Error,
    ) -> Result<(), StoreError> {
        if !is_lost(error) || self.is_lost {
            return Err(error::store_error(action, error));
        }
        self.is_lost = true;
        drop(Object::take(client));
        Ok(())
    }
}

fn failed(error: &Error) -> StoreError {
    error::store_error(ACTION, error)
}
