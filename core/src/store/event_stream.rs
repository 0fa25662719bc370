//! Events as a `futures_core::Stream`: bounded batches, copied out, so that an open reader costs
//! the store nothing.

use super::{Direction, ReadLog, ReadStream, Store};
use crate::event::record::RecordedEvent;
use crate::place::{Position, Version};
use crate::store::StoreError;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many events one batch holds.
const BATCH: u64 = 256;

/// The events of a log or of a stream, in order. Memory does not grow with their number.
///
/// A store error ends it; the events before were delivered.
pub struct EventStream<'a, S> {
    store: &'a S,
    buffer: VecDeque<RecordedEvent>,
    state: State<'a>,
    follow: bool,
}

enum State<'a> {
    /// What is to be read next.
    Next(Cursor),
    Reading(Pin<Box<dyn Future<Output = Result<Batch, StoreError>> + Send + 'a>>),
    Ended,
}

enum Cursor {
    Log(ReadLog),
    Stream(ReadStream),
}

struct Batch {
    events: VecDeque<RecordedEvent>,
    /// What comes after these events; `None` when the read is complete.
    next: Option<Cursor>,
}

impl<'a, S: Store> EventStream<'a, S> {
    pub(super) fn of_log(store: &'a S, read: ReadLog) -> Self {
        EventStream {
            store,
            buffer: VecDeque::new(),
            state: State::Next(Cursor::Log(read)),
            follow: false,
        }
    }

    pub(super) fn of_stream(store: &'a S, read: ReadStream) -> Self {
        EventStream {
            store,
            buffer: VecDeque::new(),
            state: State::Next(Cursor::Stream(read)),
            follow: false,
        }
    }

    /// Goes on live once it has caught up: waits for what is appended next, and never ends unless a
    /// limit was set. Only a forward read of a log can follow; another read is not changed.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = matches!(
            &self.state,
            State::Next(Cursor::Log(read)) if read.direction == Direction::Forward
        );
        self
    }
}

async fn batch<S: Store>(store: &S, cursor: Cursor, follow: bool) -> Result<Batch, StoreError> {
    match cursor {
        Cursor::Log(read) => log_batch(store, read, follow).await,
        Cursor::Stream(read) => stream_batch(store, read).await,
    }
}

async fn log_batch<S: Store>(
    store: &S,
    mut read: ReadLog,
    follow: bool,
) -> Result<Batch, StoreError> {
    let mut events = VecDeque::new();
    let wanted = read.limit;
    loop {
        read.limit = wanted.min(BATCH);
        let reached = store
            .read_log(&read, &mut |event| {
                events.push_back(event.to_owned());
                ControlFlow::Continue(())
            })
            .await?;
        let more = events.len() as u64 == read.limit;
        read.limit = wanted - events.len() as u64;
        match read.direction {
            Direction::Forward => read.from = reached.next(),
            Direction::Backward => read.from = reached.previous(),
        }
        let ended = read.limit == 0 || read.from == Position::ZERO || !(more || follow);
        if ended || !events.is_empty() {
            return Ok(Batch {
                events,
                next: (!ended).then_some(Cursor::Log(read)),
            });
        }
        store.wait_past(read.log, read.from.previous()).await?;
    }
}

async fn stream_batch<S: Store>(store: &S, mut read: ReadStream) -> Result<Batch, StoreError> {
    let mut events = VecDeque::new();
    let wanted = read.limit;
    read.limit = wanted.min(BATCH);
    store
        .read_stream(&read, &mut |event| {
            events.push_back(event.to_owned());
            ControlFlow::Continue(())
        })
        .await?;
    let more = events.len() as u64 == read.limit;
    read.limit = wanted - events.len() as u64;
    if let Some(last) = events.back().map(|event| event.version) {
        read.from = match read.direction {
            Direction::Forward => last.next(),
            Direction::Backward => last.previous(),
        };
    }
    let ended = !more || read.limit == 0 || read.from == Version::ZERO;
    Ok(Batch {
        events,
        next: (!ended).then_some(Cursor::Stream(read)),
    })
}

impl<S: Store> Stream for EventStream<'_, S> {
    type Item = Result<RecordedEvent, StoreError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(event) = this.buffer.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            this.state = match std::mem::replace(&mut this.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Next(cursor) => {
                    State::Reading(Box::pin(batch(this.store, cursor, this.follow)))
                }
                State::Reading(mut reading) => {
                    let Poll::Ready(read) = reading.as_mut().poll(context) else {
                        this.state = State::Reading(reading);
                        return Poll::Pending;
                    };
                    match read {
                        Err(error) => return Poll::Ready(Some(Err(error))),
                        Ok(Batch { events, next }) => {
                            this.buffer = events;
                            next.map_or(State::Ended, State::Next)
                        }
                    }
                }
            };
        }
    }
}

impl<S> fmt::Debug for EventStream<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream")
            .field("buffered", &self.buffer.len())
            .field("follow", &self.follow)
            .finish_non_exhaustive()
    }
}
