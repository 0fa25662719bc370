//! VarveDB, the other event store on LMDB: one named stream, whose ids are ours.

use super::{Appending, Event, Expected, Facts, Filling, Outcome, Peer, Refuses, Stream, Visit};
use ::varvedb::{GlobalReader, GlobalSequence, StreamId, StreamReader, Varve, VarveConfig};
use rkyv::rancor::Error;
use rkyv::util::AlignedVec;
use rkyv::{Archived, access};
use std::path::Path;
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot};

pub(super) const FACTS: Facts = Facts {
    title: "VarveDB",
    packages: &["varvedb", "lmdb-master-sys"],
    durability: "LMDB's defaults, which are durable; a commit for each append, on a thread of its own",
    refuses: Refuses::Nothing,
    several_streams: false,
    filling: Filling::Streams,
};

/// The largest size of the data.
const MAP: usize = 64 << 30;
/// The most bytes of one event.
const BUFFER: usize = 1024;
const WAITING_APPENDS: usize = 1024;

/// An event is its payload.
type Payload = Vec<u8>;
type Answer = oneshot::Sender<Outcome<()>>;

pub(super) struct VarveDb {
    log: GlobalReader,
    streams: StreamReader<Payload>,
    /// `None` while it is dropped.
    appends: Option<mpsc::Sender<(Vec<Event>, Answer)>>,
    writer: Option<JoinHandle<()>>,
}

impl VarveDb {
    pub(super) fn create(directory: &Path) -> Outcome<Self> {
        let config = VarveConfig {
            map_size: MAP,
            ..VarveConfig::default()
        };
        let mut varve = Varve::with_config(directory, config)?;
        let mut stream = varve.stream::<Payload, BUFFER>("events")?;
        let streams = stream.reader();
        let (appends, mut received) = mpsc::channel::<(Vec<Event>, Answer)>(WAITING_APPENDS);
        let writer = thread::Builder::new()
            .name("varvedb".into())
            .spawn(move || {
                while let Some((events, answer)) = received.blocking_recv() {
                    let appended = match stream_of(&events) {
                        Ok(id) => {
                            let events: Vec<_> =
                                events.into_iter().map(|event| event.payload).collect();
                            stream.append_batch_alloc(id, &events).map_err(Into::into)
                        }
                        Err(error) => Err(error),
                    };
                    let _ = answer.send(appended.map(drop));
                }
            })?;
        Ok(VarveDb {
            log: varve.global_reader(),
            streams,
            appends: Some(appends),
            writer: Some(writer),
        })
    }
}

impl Peer for VarveDb {
    fn append(&self, events: Vec<Event>, _: Expected) -> Appending<'_> {
        Box::pin(async move {
            let (answer, appended) = oneshot::channel();
            let appends = self.appends.as_ref().ok_or("the store is closed")?;
            let sent = appends.send((events, answer)).await;
            sent.map_err(|_| "the writer thread has ended")?;
            appended.await?
        })
    }

    fn blocks(&self) -> bool {
        false
    }

    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()> {
        let (mut aligned, mut outcome) = (AlignedVec::new(), Ok(()));
        let events = self.log.iter_from(GlobalSequence(0))?;
        events.for_each(|event| {
            if let Err(error) = decode(&event.payload, &mut aligned, visit) {
                outcome = Err(error);
            }
        })?;
        outcome
    }

    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()> {
        let (mut aligned, mut outcome) = (AlignedVec::new(), Ok(()));
        let events = self.streams.iter_stream(id(stream.number), None)?;
        events.for_each(|_, archived| {
            if let Err(error) = decode(archived, &mut aligned, visit) {
                outcome = Err(error);
            }
        })?;
        outcome
    }
}

impl Drop for VarveDb {
    fn drop(&mut self) {
        drop(self.appends.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

const fn id(number: usize) -> StreamId {
    StreamId(number as u64)
}

/// Returns the one stream that these events belong to.
fn stream_of(events: &[Event]) -> Outcome<StreamId> {
    let first = events.first().ok_or("there is nothing to append")?;
    if events.iter().any(|event| event.number != first.number) {
        return Err("a commit has events of one stream only".into());
    }
    Ok(id(first.number))
}

/// Visits the payload in an archived event, which has to be aligned for access.
fn decode(archived: &[u8], aligned: &mut AlignedVec, visit: &mut Visit<'_>) -> Outcome<()> {
    aligned.clear();
    aligned.extend_from_slice(archived);
    visit(access::<Archived<Payload>, Error>(aligned)?);
    Ok(())
}
