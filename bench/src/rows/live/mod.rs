//! How long after a commit an event is delivered, at a modest rate.

mod pings;
mod pongs;

pub(crate) use pings::append_and_print;
pub(super) use pings::{Pinged, append_all};

use crate::contest::{Samples, quantile, rounds};
use crate::table::{Asked, Line, Short};
use crate::{Bench, Outcome};
use midgard::consumer::{ConsumerState, RunError};
use midgard::{
    Midgard, MidgardHandle, Place, Projection, StartFrom, Subscription, Views, block_on,
};
use midgard_store_lmdb::LmdbStore;
use pings::{EVENTS, append_elsewhere};
use pongs::{Pong, Pongs};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than any wait.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The waits of every event, in milliseconds, and the p99 of each round.
#[derive(Default)]
pub(super) struct Waits {
    all: Samples,
    p99: Samples,
}

impl Waits {
    /// Takes in a round. Returns its p99.
    pub(super) fn take(&mut self, waits: Samples) -> f64 {
        let p99 = quantile(&waits, 0.99);
        self.all.extend(waits);
        self.p99.push(p99);
        p99
    }

    pub(super) fn line(&self, row: &str, asked: Asked) -> Line {
        let p50 = Short(quantile(&self.all, 0.5));
        let most = Short(quantile(&self.all, 1.0));
        let p99 = quantile(&self.all, 0.99);
        Line::alone(row, "ms", p99, &self.p99, asked).note(format!(
            "p99 of {} events; p50 {p50} ms, the longest {most} ms",
            self.all.len()
        ))
    }
}

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let [mut here, mut own, mut elsewhere] = <[Waits; 3]>::default();
    rounds(
        bench.rounds,
        [
            &mut || Ok(here.take(to_a_handler(bench)?)),
            &mut || Ok(own.take(to_a_view(bench)?)),
            &mut || Ok(elsewhere.take(to_a_handler_elsewhere(bench)?)),
        ],
    )?;
    Ok(vec![
        here.line("live, to a handler", Asked::AtMost(2.0)),
        own.line("live, to a view", Asked::Nothing),
        elsewhere.line("live, between processes", Asked::Nothing),
    ])
}

/// From the return of `append` to the call of a handler in the same program.
fn to_a_handler(bench: &Bench) -> Outcome<Samples> {
    let directory = bench.directory()?;
    let store = LmdbStore::open(directory.path())?;
    let (handled, running) = subscribe(&store, || Ok(Instant::now()))?;
    let committed = append_all(&store, EVENTS, |_, _| Ok(Instant::now()))?;
    let waits = times(&handled, committed.len())?
        .into_iter()
        .zip(committed)
        // The handler is woken before `append` returns, and may be first.
        .map(|(handled, committed)| milliseconds(handled.saturating_duration_since(committed)))
        .collect();
    running.stop()?;
    Ok(waits)
}

/// From the return of `append` to that of `wait_for`: then the view shows the appended event.
fn to_a_view(bench: &Bench) -> Outcome<Samples> {
    let directory = bench.directory()?;
    let store = LmdbStore::open(directory.path())?;
    let views = Views::new(store.clone());
    let running = Running::start(Midgard::new(store.clone()).project(Pongs, views.clone()));
    running.wait_until_live(Pongs::NAME)?;
    let waits = append_all(&store, EVENTS, |number, position| {
        let committed = Instant::now();
        block_on(
            running
                .handle
                .wait_for(Pongs::NAME, Place::main(position), LONG),
        )?;
        let wait = committed.elapsed();
        let row = views.get::<Pong>(number)?;
        row.map(|_| milliseconds(wait))
            .ok_or_else(|| "the view does not show what was waited for".into())
    })?;
    running.stop()?;
    Ok(waits)
}

/// From the return of `append` in another process to the call of a handler in this one.
fn to_a_handler_elsewhere(bench: &Bench) -> Outcome<Samples> {
    let directory = bench.directory()?;
    let store = LmdbStore::open(directory.path())?;
    let (handled, running) = subscribe(&store, pings::now)?;
    let committed = append_elsewhere(directory.path())?;
    let waits = times(&handled, committed.len())?
        .into_iter()
        .zip(committed)
        .map(|(handled, committed)| handled.saturating_sub(committed) as f64 / 1e3)
        .collect();
    running.stop()?;
    Ok(waits)
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The times at which a handler was called, with the numbers of the events.
type Handled<T> = Receiver<(u64, T)>;

/// Runs a live subscription that notes when its handler is called.
fn subscribe<T: Send + 'static>(
    store: &LmdbStore,
    now: impl Fn() -> Outcome<T> + Send + Sync + 'static,
) -> Outcome<(Handled<T>, Running)> {
    let (noted, handled) = channel();
    let subscription = Subscription::<Pinged>::events("pings", StartFrom::Start);
    let running = Running::start(Midgard::new(store.clone()).subscribe(
        subscription,
        move |delivery| {
            let now = now().map_err(|error| error.to_string().into());
            let noted = noted.clone();
            std::future::ready(now.map(|now| {
                // Nobody listens any more when the round has failed.
                let _ = noted.send((delivery.event.number, now));
            }))
        },
    ));
    running.wait_until_live("pings")?;
    Ok((handled, running))
}

/// Returns this many times, in the order of the events.
fn times<T>(handled: &Handled<T>, count: usize) -> Outcome<Vec<T>> {
    let mut times = Vec::new();
    while times.len() < count {
        let (number, time) = handled.recv_timeout(LONG)?;
        if number != times.len() as u64 {
            return Err(format!("event {number} was delivered out of order").into());
        }
        times.push(time);
    }
    Ok(times)
}

/// A program that runs on its own thread.
struct Running {
    handle: MidgardHandle,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Running {
    fn start(midgard: Midgard<LmdbStore>) -> Self {
        let handle = midgard.handle();
        let thread = thread::spawn(|| block_on(midgard.run()));
        Running { handle, thread }
    }

    fn wait_until_live(&self, name: &str) -> Outcome<()> {
        let is_live = |status: &midgard::consumer::Status| status.state == ConsumerState::Live;
        block_on(self.handle.wait_until(name, LONG, is_live))?;
        Ok(())
    }

    fn stop(self) -> Outcome<()> {
        self.handle.stop();
        self.thread.join().map_err(|_| "a consumer panicked")??;
        Ok(())
    }
}
