//! The turns of a store.

use super::dataset::{Dataset, EVENTS};
use super::{Event, Expected, Filling, Name, Outcome, Peer, by_stream};
use crate::contest::{for_about, per_second};
use crate::workload::{Random, sum};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use midgard::block_on;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// About how long a turn takes.
const TURN: Duration = Duration::from_millis(500);
/// How many events a large append has.
pub(super) const BATCH: usize = 1000;
/// How many appends of one event are in flight while they fill a store.
const FILLING: usize = 256;

/// A participating store, and the versions of its streams.
pub(super) struct Contestant<'d> {
    pub(super) name: Name,
    peer: Box<dyn Peer>,
    dataset: &'d Dataset,
    versions: Vec<AtomicU64>,
    appended: AtomicUsize,
}

impl<'d> Contestant<'d> {
    pub(super) fn create(name: Name, dataset: &'d Dataset, directory: &Path) -> Outcome<Self> {
        Ok(Contestant {
            name,
            peer: name.create(directory)?,
            dataset,
            versions: (0..dataset.streams()).map(|_| AtomicU64::new(0)).collect(),
            appended: AtomicUsize::new(0),
        })
    }

    /// Appends the next events of these streams, in the way that is fastest for this store.
    pub(super) fn fill(&self, streams: impl Iterator<Item = usize>) -> Outcome<()> {
        let append = |events| self.append(events, Expected::Any);
        let mut events = streams.map(|stream| self.next(stream));
        match self.name.facts().filling {
            Filling::Batches => loop {
                let batch: Vec<_> = events.by_ref().take(BATCH).collect();
                if batch.is_empty() {
                    return Ok(());
                }
                block_on(append(batch))?;
            },
            Filling::Singles => block_on(async {
                let appends = events.map(|event| append(vec![event]));
                let mut appends = stream::iter(appends).buffer_unordered(FILLING);
                while let Some(appended) = appends.next().await {
                    appended?;
                }
                Ok(())
            }),
            Filling::Streams => loop {
                let mut neighbours: Vec<_> = events.by_ref().take(10 * BATCH).collect();
                if neighbours.is_empty() {
                    return Ok(());
                }
                neighbours.sort_by_key(|event| (event.number, event.version));
                for events in by_stream(&neighbours) {
                    block_on(append(events.to_vec()))?;
                }
            },
        }
    }

    /// Loads streams at random; returns loads per second.
    pub(super) fn load(&self, round: usize) -> Outcome<f64> {
        let mut random = Random(round as u64);
        for_about(TURN, || {
            let number = random.below(self.dataset.loaded());
            let mut events = 0;
            self.peer
                .load(&self.dataset.stream(number), &mut |payload| {
                    black_box(sum(payload));
                    events += 1;
                })?;
            expect(events, EVENTS)?;
            Ok(1)
        })
    }

    /// Scans the log; returns events per second.
    pub(super) fn scan(&self) -> Outcome<f64> {
        for_about(TURN, || {
            let mut events = 0;
            self.peer.scan(&mut |payload| {
                black_box(sum(payload));
                events += 1;
            })?;
            expect(events, self.appended.load(Ordering::Relaxed))?;
            Ok(events)
        })
    }

    /// Lets this many producers append, one event at a time, each to its own streams if there are enough; returns
    /// events per second.
    pub(super) fn appends(&self, producers: usize, round: usize) -> Outcome<f64> {
        let before = self.appended.load(Ordering::Relaxed);
        let took = if self.peer.blocks() {
            self.in_threads(producers, round)?
        } else {
            self.in_one_thread(producers, round)?
        };
        let events = self.appended.load(Ordering::Relaxed) - before;
        Ok(per_second(events, took))
    }

    /// Appends 1,000 events at a time, over as many streams if there are enough; returns events per second.
    pub(super) fn batches(&self, round: usize) -> Outcome<f64> {
        let mut random = Random(round as u64);
        let streams = self.dataset.streams();
        for_about(TURN, || {
            let events = (0..BATCH).map(|part| {
                let (begin, end) = (part * streams / BATCH, (part + 1) * streams / BATCH);
                self.next(begin + random.below((end - begin).max(1)))
            });
            block_on(self.append(events.collect(), Expected::Exact))?;
            Ok(BATCH)
        })
    }

    fn in_threads(&self, producers: usize, round: usize) -> Outcome<Duration> {
        let ready = Barrier::new(producers + 1);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..producers)
                .map(|producer| {
                    let (ready, mut producer) = (&ready, self.producer(producer, producers, round));
                    scope.spawn(move || {
                        ready.wait();
                        let began = Instant::now();
                        while began.elapsed() < TURN {
                            block_on(producer.append())?;
                        }
                        Outcome::Ok(())
                    })
                })
                .collect();
            ready.wait();
            let began = Instant::now();
            for thread in threads {
                thread.join().map_err(|_| "a producer panicked")??;
            }
            Ok(began.elapsed())
        })
    }

    fn in_one_thread(&self, producers: usize, round: usize) -> Outcome<Duration> {
        let began = Instant::now();
        block_on(async {
            let mut producers: FuturesUnordered<_> = (0..producers)
                .map(|producer| self.producer(producer, producers, round))
                .map(|mut producer| async move {
                    while began.elapsed() < TURN {
                        producer.append().await?;
                    }
                    Outcome::Ok(())
                })
                .collect();
            while let Some(done) = producers.next().await {
                done?;
            }
            Ok(began.elapsed())
        })
    }

    fn producer(&self, number: usize, producers: usize, round: usize) -> Producer<'_> {
        let streams = self.dataset.streams();
        let random = Random((round * producers + number) as u64);
        let (first, step, expected) = if streams >= producers {
            (number, producers, Expected::Exact)
        } else {
            (0, 1, Expected::Any)
        };
        Producer {
            contestant: self,
            random,
            first,
            step,
            expected,
        }
    }

    /// Returns the next event of a stream.
    fn next(&self, stream: usize) -> Event {
        let version = self.versions[stream].fetch_add(1, Ordering::Relaxed) + 1;
        self.dataset.event(stream, version)
    }

    async fn append(&self, events: Vec<Event>, expected: Expected) -> Outcome<()> {
        let count = events.len();
        self.peer.append(events, expected).await?;
        self.appended.fetch_add(count, Ordering::Relaxed);
        Ok(())
    }
}

/// A producer that appends to every n-th stream.
struct Producer<'c> {
    contestant: &'c Contestant<'c>,
    random: Random,
    first: usize,
    step: usize,
    expected: Expected,
}

impl Producer<'_> {
    /// Appends one event.
    async fn append(&mut self) -> Outcome<()> {
        let streams = self.contestant.dataset.streams() / self.step;
        let stream = self.first + self.random.below(streams) * self.step;
        let event = self.contestant.next(stream);
        self.contestant.append(vec![event], self.expected).await
    }
}

fn expect(events: usize, expected: usize) -> Outcome<()> {
    if events == expected {
        return Ok(());
    }
    Err(format!("it gave {events} events instead of {expected}").into())
}
