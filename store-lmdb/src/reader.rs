//! Reads: bounded batches, each in a transaction of its own, so that an open reader pins no old pages.

use crate::databases::{Databases, parse, version_of};
use crate::environment::Environment;
use crate::error::{backend, corrupt};
use crate::record::Kind;
use heed::RoTxn;
use midgard::store::Visit;
use midgard::{
    Direction, LogId, Position, ReadLog, ReadStream, RecordedEventRef, StoreError, StreamState,
    Version,
};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::task::Poll;

/// How many records one transaction reads.
const BATCH_RECORDS: usize = 1024;
/// How many bytes one transaction reads, about.
const BATCH_BYTES: usize = 4 << 20;

/// Whether a transaction has read enough.
pub(crate) struct Batch {
    records: usize,
    bytes: usize,
}

impl Batch {
    pub(crate) const fn new() -> Self {
        Batch {
            records: 0,
            bytes: 0,
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.records >= BATCH_RECORDS || self.bytes >= BATCH_BYTES
    }

    pub(crate) const fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }
}

/// Reads a stream as it is when the read begins.
pub(crate) fn read_stream(
    environment: &Environment,
    read: &ReadStream,
    visit: &mut Visit<'_>,
) -> Result<StreamState, StoreError> {
    let name = read.stream.as_str();
    let mut from = read.from;
    let mut left = read.limit;
    // What was appended after the read began is not part of it; what was removed since is gone.
    let mut begun = None;
    loop {
        let (state, done) = environment.read(|databases, transaction| {
            let Some(stream) = databases.stream(transaction, name)? else {
                return Ok((StreamState::NONE, true));
            };
            let state = *begun.get_or_insert(stream.state);
            let (first, last) = match read.direction {
                Direction::Forward => (from.max(state.first), state.last),
                Direction::Backward => (state.first, from.min(state.last)),
            };
            if state.tombstoned || left == 0 || first > last {
                return Ok((state, true));
            }
            let mut batch = Batch::new();
            let range = stream.key(first)..=stream.key(last);
            let mut one =
                |entry: heed::Result<(u128, u64)>| -> Result<ControlFlow<bool>, StoreError> {
                    let (key, position) = entry.map_err(backend("read a stream"))?;
                    let version = version_of(key);
                    let event =
                        event_at(databases, transaction, Position(position), name, version)?;
                    left -= 1;
                    batch.add(event.payload.len());
                    if visit(event).is_break() || left == 0 {
                        return Ok(ControlFlow::Break(true));
                    }
                    from = match read.direction {
                        Direction::Forward => version.next(),
                        Direction::Backward if version == state.first => {
                            return Ok(ControlFlow::Break(true));
                        }
                        Direction::Backward => version.previous(),
                    };
                    Ok(if batch.is_full() {
                        ControlFlow::Break(false)
                    } else {
                        ControlFlow::Continue(())
                    })
                };
            let failed = backend("read a stream");
            let broke = match read.direction {
                Direction::Forward => until_break(
                    databases
                        .versions
                        .range(transaction, &range)
                        .map_err(&failed)?,
                    &mut one,
                )?,
                Direction::Backward => until_break(
                    databases
                        .versions
                        .rev_range(transaction, &range)
                        .map_err(&failed)?,
                    &mut one,
                )?,
            };
            Ok((state, broke.unwrap_or(true)))
        })?;
        if done {
            return Ok(state);
        }
    }
}

/// Calls `one` until it breaks, and gives what it broke with.
fn until_break<T>(
    entries: impl Iterator<Item = T>,
    one: &mut impl FnMut(T) -> Result<ControlFlow<bool>, StoreError>,
) -> Result<Option<bool>, StoreError> {
    for entry in entries {
        if let ControlFlow::Break(done) = one(entry)? {
            return Ok(Some(done));
        }
    }
    Ok(None)
}

/// The event that an entry of the versions points to.
fn event_at<'t>(
    databases: &Databases,
    transaction: &'t RoTxn<'_>,
    position: Position,
    stream: &str,
    version: Version,
) -> Result<RecordedEventRef<'t>, StoreError> {
    let damaged = |reason| corrupt(position, Some(stream), reason);
    let Some(record) = databases
        .record(transaction, position)
        .map_err(|error| match error {
            StoreError::Corrupt { reason, .. } => damaged(reason),
            error => error,
        })?
    else {
        return Err(damaged(format!(
            "version {version} of the stream is missing"
        )));
    };
    let event = record.event;
    if record.kind != Kind::Event || event.stream != stream || event.version != version {
        return Err(damaged(format!(
            "version {version} of the stream was expected, found version {} of stream \"{}\"",
            event.version, event.stream
        )));
    }
    Ok(event)
}

/// Reads the log up to where it ends when the read begins.
pub(crate) async fn read_log(
    environment: &Environment,
    read: &ReadLog,
    visit: &mut Visit<'_>,
) -> Result<Position, StoreError> {
    check_log(read.log)?;
    if read.limit == 0 {
        return Ok(match read.direction {
            Direction::Forward => read.from.previous(),
            Direction::Backward => read.from.next(),
        });
    }
    let mut from = read.from;
    let mut left = read.limit;
    let mut end = None;
    loop {
        let reached = environment.read(|databases, transaction| {
            let end = match end {
                Some(end) => end,
                None => *end.insert(databases.last_position(transaction)?),
            };
            let complete = match read.direction {
                Direction::Forward => end.max(read.from.previous()),
                Direction::Backward => Position::ZERO,
            };
            let range = match read.direction {
                Direction::Forward => from.get()..=end.get(),
                Direction::Backward => 1..=from.min(end).get(),
            };
            let mut batch = Batch::new();
            let mut reached = None;
            let mut one =
                |entry: heed::Result<(u64, &[u8])>| -> Result<ControlFlow<bool>, StoreError> {
                    let (position, bytes) = entry.map_err(backend("read the log"))?;
                    let position = Position(position);
                    let record = parse(position, bytes)?;
                    batch.add(bytes.len());
                    if record.kind == Kind::Event && read.query.matches(&record.event) {
                        left -= 1;
                        if visit(record.event).is_break() || left == 0 {
                            reached = Some(position);
                            return Ok(ControlFlow::Break(true));
                        }
                    }
                    match read.direction {
                        Direction::Forward => from = position.next(),
                        Direction::Backward if position == Position::FIRST => {
                            return Ok(ControlFlow::Break(true));
                        }
                        Direction::Backward => from = position.previous(),
                    }
                    Ok(if batch.is_full() {
                        ControlFlow::Break(false)
                    } else {
                        ControlFlow::Continue(())
                    })
                };
            let failed = backend("read the log");
            let broke = match read.direction {
                Direction::Forward => until_break(
                    databases.log.range(transaction, &range).map_err(&failed)?,
                    &mut one,
                )?,
                Direction::Backward => until_break(
                    databases
                        .log
                        .rev_range(transaction, &range)
                        .map_err(&failed)?,
                    &mut one,
                )?,
            };
            Ok((broke != Some(false)).then_some(reached.unwrap_or(complete)))
        })?;
        if let Some(reached) = reached {
            return Ok(reached);
        }
        give_way().await;
    }
}

/// Lets other futures of the same thread have a turn: a read of rare events may look at the whole log.
async fn give_way() {
    let mut given = false;
    poll_fn(|context| {
        if given {
            return Poll::Ready(());
        }
        given = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The state of a stream.
pub(crate) fn stream_state(
    environment: &Environment,
    stream: &str,
) -> Result<StreamState, StoreError> {
    environment.read(|databases, transaction| {
        Ok(databases
            .stream(transaction, stream)?
            .map_or(StreamState::NONE, |stream| stream.state))
    })
}

/// The last position that was given away.
pub(crate) fn last_position(environment: &Environment, log: LogId) -> Result<Position, StoreError> {
    check_log(log)?;
    environment.read(Databases::last_position)
}

fn check_log(log: LogId) -> Result<(), StoreError> {
    if log != LogId::MAIN {
        return Err(StoreError::UnknownLog {
            log,
            last: LogId::MAIN,
        });
    }
    Ok(())
}
