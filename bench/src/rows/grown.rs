//! A store of a given size, for the rows of growth.

use super::producers::produce;
use crate::Outcome;
use crate::contest::{Samples, for_about, longest};
use crate::workload::Random;
use midgard::event::NewEvent;
use midgard::store::{Append, ReadStream, StoreError};
use midgard::{Store, StreamName, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many events each stream has.
pub(super) const EVENTS: usize = 10;
/// How many bytes the payload of each have.
pub(super) const PAYLOAD: usize = 200;
/// How many are appended at once while the stores are filled.
const AT_ONCE: usize = 1000;
const PRODUCERS: usize = 64;
/// About how long a turn takes.
pub(super) const TURN: Duration = Duration::from_millis(500);

/// A store with this many streams.
pub(super) struct Grown<'d> {
    directory: &'d Path,
    store: Option<LmdbStore>,
    versions: Vec<u32>,
    longest_waits: Samples,
    random: Random,
}

pub(super) fn name(stream: usize) -> Result<StreamName, midgard::limits::LimitError> {
    StreamName::new(format!("account-{stream:07}"))
}

fn event() -> NewEvent {
    NewEvent::json("amount.deposited", 1, vec![b'1'; PAYLOAD])
}

impl<'d> Grown<'d> {
    pub(super) fn fill(directory: &'d Path, streams: usize) -> Outcome<Self> {
        let store = LmdbStore::options()
            .durability(Durability::NoSync)
            .open(directory)?;
        // Far from each other in the log, and in another order in each pass.
        for pass in 0..EVENTS {
            let stride = [7_919, 104_729, 15_485_863][pass % 3];
            for first in (0..streams).step_by(AT_ONCE) {
                let numbers = first..streams.min(first + AT_ONCE);
                let append = numbers
                    .into_iter()
                    .try_fold(Append::default(), |append, n| {
                        let name = name(n * stride % streams)?;
                        Outcome::Ok(append.and(name, Version(pass as u64), [event()]))
                    })?;
                block_on(store.append(append))?;
            }
        }
        drop(store);
        // Otherwise the first durable commit would wait until all of it is on the disk.
        File::open(directory.join("data.mdb"))?.sync_all()?;
        Ok(Grown {
            directory,
            store: None,
            versions: vec![EVENTS as u32; streams],
            longest_waits: Samples::new(),
            random: Random(7),
        })
    }

    pub(super) fn store(&mut self) -> Result<LmdbStore, StoreError> {
        match &self.store {
            Some(store) => Ok(store.clone()),
            None => Ok(self.store.insert(LmdbStore::open(self.directory)?).clone()),
        }
    }

    pub(super) fn any_stream(&mut self) -> usize {
        self.random.below(self.versions.len())
    }

    /// How many events it was filled with.
    pub(super) const fn events(&self) -> usize {
        self.versions.len() * EVENTS
    }

    /// Returns how long it takes to open it, in milliseconds.
    pub(super) fn opened(&mut self) -> Outcome<f64> {
        self.store = None;
        let began = Instant::now();
        self.store()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    }

    pub(super) fn loads(&mut self) -> Outcome<f64> {
        let store = self.store()?;
        for_about(TURN, || {
            let stream = self.any_stream();
            let read = ReadStream::forward(name(stream)?);
            let mut events = 0;
            block_on(store.read_stream(&read, &mut |_| {
                events += 1;
                ControlFlow::Continue(())
            }))?;
            match events {
                0..EVENTS => Err("a stream has too few events".into()),
                _ => Ok(1),
            }
        })
    }

    pub(super) fn appends(&mut self) -> Outcome<f64> {
        let store = self.store()?;
        let append = async |append| Ok(store.append(append).await.map(drop)?);
        let produced = produce(PRODUCERS, TURN, |producer| self.next(producer), append)?;
        self.longest_waits.push(longest(&produced.waits));
        Ok(produced.appends_per_second)
    }

    /// Returns the longest wait for an append in each turn, in milliseconds.
    pub(super) const fn longest_waits(&self) -> &Samples {
        &self.longest_waits
    }

    /// Returns the next event of one of a producer's streams.
    fn next(&mut self, producer: usize) -> Outcome<Append> {
        let stream = self.random.below(self.versions.len() / PRODUCERS) * PRODUCERS + producer;
        let version = Version(u64::from(self.versions[stream]));
        self.versions[stream] += 1;
        Ok(Append::to(name(stream)?, version, [event()]))
    }
}
