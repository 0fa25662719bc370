//! The events to publish, and their messages.

use super::per_second;
use crate::{Bench, Outcome};
use midgard::bus::{BusError, Message, Published, Publisher};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{Event, Midgard, Outbox, Place, Position, StartFrom, StreamName};
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The number of streams.
const STREAMS: usize = 1000;
/// How long the text in an event is.
const TEXT: usize = 288;
/// Longer than any wait.
const LONG: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.noted")]
#[publish]
struct OrderNoted {
    text: String,
}

/// A store with events, and their messages.
pub(super) struct Outgoing {
    store: LmdbStore,
    events: usize,
    last: Position,
    pub(super) messages: Vec<Message>,
    _directory: TempDir,
}

impl Outgoing {
    /// This many events, a multiple of a thousand.
    pub(super) fn new(bench: &Bench, runtime: &Runtime, events: usize) -> Outcome<Self> {
        let directory = bench.directory()?;
        let store = LmdbStore::open(directory.path())?;
        let mut last = None;
        for _ in 0..events / STREAMS {
            let appended = block_on(store.append(one_in_each_stream()?))?;
            last = appended.position;
        }
        let mut outgoing = Outgoing {
            store,
            events,
            last: last.ok_or("nothing was appended")?,
            messages: Vec::new(),
            _directory: directory,
        };
        let recorder = Recorder::default();
        outgoing.relay(runtime, "recorded", recorder.clone())?;
        outgoing.messages = recorder.take();
        if outgoing.messages.len() != events {
            return Err(format!("{} messages left", outgoing.messages.len()).into());
        }
        Ok(outgoing)
    }

    /// Lets a new outbox of this name publish everything; returns events per second, from its start until its last
    /// checkpoint is written.
    pub(super) fn relay(&self, runtime: &Runtime, name: &str, bus: impl Publisher) -> Outcome<f64> {
        let outbox = Outbox::new("orders").named(name).from(StartFrom::Start);
        let outbox = outbox.publish::<OrderNoted>();
        let midgard = Midgard::new(self.store.clone()).outbox(outbox, bus);
        let handle = midgard.handle();
        let began = Instant::now();
        let running = runtime.spawn(midgard.run());
        runtime.block_on(handle.wait_for(name, Place::main(self.last), LONG))?;
        let took = began.elapsed();
        handle.stop();
        runtime.block_on(running)??;
        Ok(per_second(self.events, took))
    }
}

/// Describes the messages, for a note.
impl fmt::Display for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload = self.messages.first().map_or(0, |first| first.payload.len());
        write!(
            f,
            "{} events of {payload} bytes over {STREAMS} streams",
            self.events
        )
    }
}

fn one_in_each_stream() -> Outcome<Append> {
    let text = "x".repeat(TEXT);
    let event = OrderNoted { text };
    (0..STREAMS).try_fold(Append::default(), |append, stream| {
        let name = StreamName::new(format!("order-{stream:04}"))?;
        // Each has an id of its own.
        let event = NewEvent::encode(&event)?;
        Ok(append.and(name, ExpectedVersion::Any, [event]))
    })
}

/// Records published messages.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Message>>>);

impl Recorder {
    fn take(&self) -> Vec<Message> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Publisher for Recorder {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.extend_from_slice(messages);
        Ok(Published::all())
    }
}
