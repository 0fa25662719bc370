//! Reads: bounded batches, each in a transaction of its own, so that a long read pins no old pages.

use crate::environment::Environment;
use crate::log;
use crate::record::Header;
use crate::streams::{self, Head, Stream};
use midgard::store::{Direction, ReadStream, StoreError, StreamState};
use midgard::store::{Visit, give_way};
use midgard::{LogId, Position, Version};
use std::borrow::Cow;
use std::ops::{ControlFlow, RangeInclusive};

/// How many records one transaction reads.
const BATCH_RECORDS: usize = 1024;
/// About how many bytes one transaction reads.
const BATCH_BYTES: usize = 4 << 20;

/// Counts how much a transaction has read, to end it in time.
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
pub(crate) async fn read_stream(
    environment: &Environment,
    read: &ReadStream,
    visit: &mut Visit<'_>,
) -> Result<StreamState, StoreError> {
    let name = read.stream.as_str();
    let mut reading = Reading {
        from: read.from,
        left: read.limit,
        at: None,
        window: FIRST_WINDOW,
    };
    // Events appended after the read began are not part of it; events removed since are gone.
    let mut begun = None;
    loop {
        let (state, done) = streams::read_with_head(environment, name, |stream, head| {
            let Some(head) = head else {
                return Ok((StreamState::NONE, true));
            };
            let state = *begun.get_or_insert(head.state);
            if head.state.tombstoned || reading.left == 0 {
                return Ok((state, true));
            }
            let there = head.state.first.max(state.first)..=state.last;
            let done = match read.direction {
                Direction::Forward => reading.forward(stream, head, there, visit)?,
                Direction::Backward => reading.backward(stream, head, there, visit)?,
            };
            Ok((state, done))
        })?;
        if done {
            return Ok(state);
        }
        give_way().await;
    }
}

/// How many events a forward read finds at first, and at most, before it visits them: it finds them from the last one
/// back.
const FIRST_WINDOW: u64 = 128;
const LARGEST_WINDOW: u64 = BATCH_RECORDS as u64;

/// The progress of reading a stream.
struct Reading {
    from: Version,
    left: u64,
    /// The position of the event of `from`, as far as it is known.
    at: Option<Position>,
    /// How many events are found at once.
    window: u64,
}

/// An event that was found on the way back.
enum Found<'t> {
    Header(Header<'t>),
    /// A large event, which is put together only when it is visited.
    Split(Version, Position),
}

impl Reading {
    /// Visits some more versions; returns whether those were the last.
    fn forward(
        &mut self,
        stream: &Stream<'_, '_>,
        head: Head,
        there: RangeInclusive<Version>,
        visit: &mut Visit<'_>,
    ) -> Result<bool, StoreError> {
        let mut batch = Batch::new();
        let last = *there.end();
        self.from = self.from.max(*there.start());
        while !batch.is_full() {
            if self.from > last {
                return Ok(true);
            }
            let wanted = self.window.min(self.left);
            self.window = (self.window * 4).min(LARGEST_WINDOW);
            let until = last.min(Version(self.from.get().saturating_add(wanted - 1)));
            for found in self.look_for(stream, head, until)?.into_iter().rev() {
                let (record, header);
                let header = match &found {
                    Found::Header(header) => header,
                    Found::Split(version, position) => {
                        record = stream.record(*position)?;
                        header = stream.event_header(*position, &record, *version)?;
                        &header
                    }
                };
                self.from = header.version.next();
                if self.visit(header, &mut batch, visit)?.is_break() {
                    return Ok(true);
                }
                if batch.is_full() {
                    // Of large events, no more are found at once than are visited.
                    self.window = batch.records as u64;
                    break;
                }
            }
        }
        Ok(self.from > last)
    }

    /// Finds the events from the next one up to a version, the last one first: each links to the one before it.
    fn look_for<'t>(
        &self,
        stream: &Stream<'_, 't>,
        head: Head,
        until: Version,
    ) -> Result<Vec<Found<'t>>, StoreError> {
        let mut version = until;
        let mut position = stream.find(head.state.last, head.event, version)?;
        let mut events = Vec::with_capacity((version.get() - self.from.get() + 1) as usize);
        loop {
            let before = match stream.record(position)? {
                Cow::Borrowed(bytes) => {
                    let header = stream.event_header(position, bytes, version)?;
                    events.push(Found::Header(header));
                    (version > self.from).then(|| stream.before(&header))
                }
                Cow::Owned(bytes) => {
                    let header = stream.event_header(position, &bytes, version)?;
                    events.push(Found::Split(version, position));
                    (version > self.from).then(|| stream.before(&header))
                }
            };
            match before.transpose()? {
                Some(before) => (version, position) = (version.previous(), before),
                None => return Ok(events),
            }
        }
    }

    /// As [`forward`](Reading::forward), to earlier versions.
    fn backward(
        &mut self,
        stream: &Stream<'_, '_>,
        head: Head,
        there: RangeInclusive<Version>,
        visit: &mut Visit<'_>,
    ) -> Result<bool, StoreError> {
        let (first, mut version) = (*there.start(), self.from.min(*there.end()));
        if first > version {
            return Ok(true);
        }
        let mut position = match self.at {
            Some(position) => position,
            None => stream.find(head.state.last, head.event, version)?,
        };
        let mut batch = Batch::new();
        loop {
            let record = stream.record(position)?;
            let header = stream.event_header(position, &record, version)?;
            if self.visit(&header, &mut batch, visit)?.is_break() || version == first {
                return Ok(true);
            }
            (version, position) = (version.previous(), stream.before(&header)?);
            if batch.is_full() {
                (self.from, self.at) = (version, Some(position));
                return Ok(false);
            }
        }
    }

    fn visit(
        &mut self,
        header: &Header<'_>,
        batch: &mut Batch,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let event = log::event(header)?;
        self.left -= 1;
        batch.add(event.payload.len());
        let flow = visit(event);
        Ok(match self.left {
            0 => ControlFlow::Break(()),
            _ => flow,
        })
    }
}

/// Returns the state of a stream.
pub(crate) fn stream_state(
    environment: &Environment,
    stream: &str,
) -> Result<StreamState, StoreError> {
    streams::read_with_head(environment, stream, |_, head| {
        Ok(head.map_or(StreamState::NONE, |head| head.state))
    })
}

/// Returns the last position that was given away.
pub(crate) fn last_position(environment: &Environment, log: LogId) -> Result<Position, StoreError> {
    check_log(log)?;
    environment.read(|databases, transaction| databases.log.certain_last_position(transaction))
}

pub(crate) fn check_log(log: LogId) -> Result<(), StoreError> {
    if log != LogId::MAIN {
        return Err(StoreError::UnknownLog {
            log,
            last: LogId::MAIN,
        });
    }
    Ok(())
}
