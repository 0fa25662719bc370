//! Events as a `futures_core::Stream`: copied out in bounded batches, so that an open reader costs the store nothing.

use super::{Direction, ReadLog, ReadStream, Store};
use crate::event::record::RecordedEvent;
use crate::place::{Position, Version};
use crate::store::StoreError;
use futures_core::Stream;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{ControlFlow, Deref};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The number of events in a batch.
const BATCH: u64 = 256;

/// The events of a log or of a stream, in order. Its memory does not grow with their number.
///
/// A store error ends it, after the events before the error.
///
/// A stream that a function returns must own its store. A stream that follows the log should end with the program:
/// otherwise a web server that waits for its responses never stops.
///
/// ```
/// use midgard::store::{EventStream, ReadLog};
/// use midgard::{LogId, MidgardHandle, Position, Store};
///
/// /// What is recorded after a position, for server-sent events.
/// fn live<S: Store>(store: S, handle: &MidgardHandle, after: Position) -> EventStream<'static, S> {
///     let read = ReadLog::forward().log(LogId::MAIN).after(after);
///     store.into_events(read).follow().until(handle.stopped())
/// }
/// ```
pub struct EventStream<'a, S> {
    store: Held<'a, S>,
    buffer: VecDeque<RecordedEvent>,
    state: State<'a>,
    follow: bool,
    /// The future that ends it.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send + 'a>>>,
}

/// A borrowed or owned store.
enum Held<'a, S> {
    Borrowed(&'a S),
    Owned(Arc<S>),
}

impl<S> Clone for Held<'_, S> {
    fn clone(&self) -> Self {
        match self {
            Held::Borrowed(store) => Held::Borrowed(store),
            Held::Owned(store) => Held::Owned(store.clone()),
        }
    }
}

impl<S> Deref for Held<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        match self {
            Held::Borrowed(store) => store,
            Held::Owned(store) => store,
        }
    }
}

enum State<'a> {
    /// The next read.
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
    /// The read after these events; `None` when the read is complete.
    next: Option<Cursor>,
}

impl<S: Store> EventStream<'static, S> {
    pub(super) fn owned_of_log(store: S, read: ReadLog) -> Self {
        EventStream::new(Held::Owned(Arc::new(store)), Cursor::Log(read))
    }

    pub(super) fn owned_of_stream(store: S, read: ReadStream) -> Self {
        EventStream::new(Held::Owned(Arc::new(store)), Cursor::Stream(read))
    }
}

impl<'a, S: Store> EventStream<'a, S> {
    pub(super) fn of_log(store: &'a S, read: ReadLog) -> Self {
        EventStream::new(Held::Borrowed(store), Cursor::Log(read))
    }

    pub(super) fn of_stream(store: &'a S, read: ReadStream) -> Self {
        EventStream::new(Held::Borrowed(store), Cursor::Stream(read))
    }

    fn new(store: Held<'a, S>, cursor: Cursor) -> Self {
        EventStream {
            store,
            buffer: VecDeque::new(),
            state: State::Next(cursor),
            follow: false,
            end: None,
        }
    }

    /// Continues live once it has caught up: waits for new events, and never ends unless a limit was set. Only a
    /// forward read of a log can follow; other reads are unchanged.
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.follow = matches!(
            &self.state,
            State::Next(Cursor::Log(read)) if read.direction == Direction::Forward
        );
        self
    }

    /// Ends it once a future completes, such as [`MidgardHandle::stopped`](crate::MidgardHandle::stopped), even while
    /// it waits for new events. Events read before that are still delivered.
    #[must_use]
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'a) -> Self {
        self.end = Some(Box::pin(end));
        self
    }

    /// Returns whether it must end now.
    fn is_ended(&mut self, context: &mut Context<'_>) -> bool {
        let end = self.end.as_mut();
        let is_ended = end.is_some_and(|end| end.as_mut().poll(context).is_ready());
        if is_ended {
            (self.state, self.end) = (State::Ended, None);
        }
        is_ended
    }
}

async fn batch<S: Store>(
    store: Held<'_, S>,
    cursor: Cursor,
    follow: bool,
) -> Result<Batch, StoreError> {
    match cursor {
        Cursor::Log(read) => log_batch(&*store, read, follow).await,
        Cursor::Stream(read) => stream_batch(&*store, read).await,
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
            if this.is_ended(context) {
                return Poll::Ready(None);
            }
            this.state = match std::mem::replace(&mut this.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Next(cursor) => {
                    State::Reading(Box::pin(batch(this.store.clone(), cursor, this.follow)))
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
