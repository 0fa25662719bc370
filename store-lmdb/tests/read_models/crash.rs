//! Kill -9 of the process that appends and of those that project, at random moments: the views are always
//! the fold of the events up to their checkpoint, and no event is applied twice. Nor is it by a process that
//! was stopped for a while, and does not know yet that another has taken over.
//!
//! `MIDGARD_TEST_SEED` repeats the choices of a run that failed, though not its moments.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::{child_directory, read_entries, stream};
use crate::kit::{
    Applied, Balance, Fold, LONG, Ledger, Moved, Process, append_moved, end_when_left_alone, fold,
    moved, open, read_moves, told,
};
use fastrand::Rng;
use midgard::consumer::ConsumerOptions;
use midgard::store::ReadEntries;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::Select;
use midgard::view::ViewSnapshot;
use midgard::{Midgard, MidgardHandle, Place, Position, Store, Views, block_on};
use midgard_store_lmdb::LmdbStore;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of each of the two tests.
const KILLS: usize = 100;
/// So many kills meet the same store, so that each also continues what the one before left.
const KILLS_PER_STORE: usize = 25;
/// Short, so that the other worker soon takes over from one that was killed.
const LEASE: Duration = Duration::from_millis(60);

/// Not a test of its own: the process that appends. Each append is of one to three streams.
#[test]
fn child_appends_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    let mut random = Rng::with_seed(std::env::var("SEED").unwrap().parse().unwrap());
    end_when_left_alone();
    loop {
        let first = random.u64(..12) as u32;
        let name = |account| stream(&format!("account-{account}"));
        let mut events = |account| -> Vec<_> {
            let amounts = (0..=random.u64(..3)).map(|_| random.u64(..21) as i64 - 10);
            amounts.map(|cents| moved(account, cents)).collect()
        };
        let mut append = Append::to(name(first), ExpectedVersion::Any, events(first));
        for other in 1..=first % 3 {
            let account = (first + other) % 12;
            append = append.and(name(account), ExpectedVersion::Any, events(account));
        }
        let appended = block_on(store.append(append)).unwrap();
        println!("appended {}", appended.position.unwrap());
    }
}

/// Not a test of its own: a process that projects.
#[test]
fn child_projects_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let views = Views::new(open(std::env::var("VIEWS").unwrap()));
    let midgard = program(open(directory), views);
    let handle = midgard.handle();
    thread::spawn(move || match told().as_deref() {
        Some("stop") => handle.stop(),
        _ => std::process::exit(1),
    });
    println!("ready");
    block_on(midgard.run()).unwrap();
}

fn program(store: LmdbStore, views: Views) -> Midgard<LmdbStore> {
    let options = ConsumerOptions::new().lease(LEASE);
    Midgard::new(store).project_with(Ledger::<1>, views, options)
}

#[test]
fn views_beside_the_events_are_the_fold_of_them_after_every_kill() {
    if child_directory().is_some() {
        return;
    }
    kill_again_and_again(Path::to_owned);
}

#[test]
fn views_in_a_store_of_their_own_are_the_fold_of_the_events_after_every_kill() {
    if child_directory().is_some() {
        return;
    }
    kill_again_and_again(|directory| directory.join("views"));
}

fn kill_again_and_again(views: fn(&Path) -> PathBuf) {
    let seed = match std::env::var("MIDGARD_TEST_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            u64::from(now.subsec_nanos())
        }
    };
    println!("MIDGARD_TEST_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let mut kills = 0;
    while kills < KILLS {
        let directory = tempfile::tempdir().unwrap();
        let mut world = World::start(directory.path(), &views(directory.path()), &mut random);
        for kill in 1..=KILLS_PER_STORE {
            if random.u64(..4) == 0 {
                world.stop_for_a_while();
                world.check();
            }
            world.kill_one(&mut random);
            world.check();
            // Some kills are in the middle of a rebuild.
            if kill % 8 == 3 {
                block_on(world.handle.rebuild("ledger")).unwrap();
            }
        }
        kills += KILLS_PER_STORE;
        world.finish();
    }
}

/// A store with its views, and the processes that use it.
struct World {
    directory: PathBuf,
    views_directory: PathBuf,
    store: LmdbStore,
    views_store: LmdbStore,
    views: Views,
    handle: MidgardHandle,
    writer: Process,
    workers: [Process; 2],
    /// The worker that was heard of last: the one that owns the projection.
    busy: usize,
    /// What the log has, as far as it was read.
    moves: Vec<(u64, Moved)>,
    /// The positions whose effects were seen, by any worker.
    effects: BTreeSet<u64>,
    last: Snapshot,
}

/// How far views are: the generation that readers see, and its checkpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Snapshot {
    position: u64,
    generation: u32,
}

impl World {
    fn start(directory: &Path, views_directory: &Path, random: &mut Rng) -> Self {
        let (store, views_store) = (open(directory), open(views_directory));
        let views = Views::new(views_store.clone());
        let handle = program(store.clone(), views.clone()).handle();
        let worker = || start_worker(directory, views_directory);
        World {
            directory: directory.to_owned(),
            views_directory: views_directory.to_owned(),
            store,
            views_store,
            views,
            handle,
            writer: start_writer(directory, random),
            workers: [worker(), worker()],
            busy: 0,
            moves: Vec::new(),
            effects: BTreeSet::new(),
            last: Snapshot::default(),
        }
    }

    /// Kills one process, a little after it was heard of, and starts another in its place.
    fn kill_one(&mut self, random: &mut Rng) {
        let moment = Duration::from_micros(random.u64(..15_000));
        match random.u64(..8) {
            0..3 => {
                self.writer.next("appended ");
                thread::sleep(moment);
                self.writer.kill();
                let acknowledged = self.writer.said("appended ").pop().unwrap();
                let there = block_on(self.store.last_position(Default::default())).unwrap();
                assert!(there.get() >= acknowledged.parse().unwrap());
                self.writer = start_writer(&self.directory, random);
            }
            // The one that stands by, or has not begun yet.
            3 => self.kill_worker(1 - self.busy, moment),
            _ => {
                self.busy = self.next_busy();
                self.kill_worker(self.busy, moment);
            }
        }
    }

    /// Stops the worker that owns the projection for longer than its lease, in the middle of whatever it does:
    /// afterwards it goes on as if nothing had happened.
    fn stop_for_a_while(&mut self) {
        self.busy = self.next_busy();
        self.workers[self.busy].signal("STOP");
        thread::sleep(LEASE * 4);
        self.workers[self.busy].signal("CONT");
    }

    /// Waits until a worker commits something, and tells which.
    fn next_busy(&mut self) -> usize {
        let end = std::time::Instant::now() + LONG;
        while std::time::Instant::now() < end {
            for worker in [self.busy, 1 - self.busy] {
                let process = &self.workers[worker];
                let said = process.next_within("applied ", Duration::from_millis(5));
                if said.is_some() {
                    return worker;
                }
            }
        }
        panic!(
            "no worker commits anything; the views are at {:?}",
            self.last
        );
    }

    fn kill_worker(&mut self, worker: usize, moment: Duration) {
        thread::sleep(moment);
        self.workers[worker].kill();
        let said = self.workers[worker].said("applied ");
        let committed = said.last().map_or(0, |position| position.parse().unwrap());
        self.note_effects(said);
        // Effects come after the commit.
        assert!(self.now().position >= committed);
        self.workers[worker] = start_worker(&self.directory, &self.views_directory);
    }

    fn note_effects(&mut self, positions: impl IntoIterator<Item = String>) {
        for position in positions {
            let position = position.parse().unwrap();
            assert!(self.effects.insert(position), "effect of {position} twice");
        }
    }

    /// How far the views are right now.
    fn now(&self) -> Snapshot {
        #[derive(Deserialize)]
        struct About {
            active: Option<Built>,
        }
        #[derive(Deserialize)]
        struct Built {
            number: u32,
        }
        #[derive(Deserialize)]
        struct Checkpoint {
            position: u64,
        }
        let note = |key: &str| {
            let read = ReadEntries::key(key.as_bytes());
            read_entries(&self.views_store, &read).pop()
        };
        let Some((_, about)) = note("projection/ledger/about") else {
            return Snapshot::default();
        };
        let about: About = serde_json::from_slice(&about).unwrap();
        let generation = about.active.map_or(0, |active| active.number);
        let key = format!("projection/ledger/{generation:010}/checkpoint/0/00000");
        let checkpoint = note(&key);
        let position = checkpoint.map_or(0, |(_, checkpoint)| {
            let Checkpoint { position } = serde_json::from_slice(&checkpoint).unwrap();
            position
        });
        Snapshot {
            position,
            generation,
        }
    }

    /// The views, and how far they are: a snapshot between two looks that found the same.
    fn observe(&self) -> (Snapshot, ViewSnapshot) {
        loop {
            let before = self.now();
            let views = self.views.snapshot().unwrap();
            if self.now() == before {
                return (before, views);
            }
        }
    }

    /// The views are those events that their checkpoint says, whoever is at work meanwhile.
    fn check(&mut self) {
        let (now, views) = self.observe();
        let is_later = now.position >= self.last.position && now.generation >= self.last.generation;
        assert!(is_later, "{now:?} after {:?}", self.last);
        self.last = now;
        if now.generation == 0 {
            return;
        }
        let read = self
            .moves
            .last()
            .map_or(Position::ZERO, |(at, _)| Position(*at));
        self.moves.extend(read_moves(&self.store, read));
        let applied = self.moves.partition_point(|(at, _)| *at <= now.position);
        compare(&views, fold(&self.moves[..applied], 1));
    }

    fn finish(mut self) {
        self.writer.kill();
        // What it had committed when it was killed, and nobody knew of yet, is seen with the next append.
        let last = append_moved(&self.store, 0, 1);
        block_on(self.handle.wait_for("ledger", Place::main(last), LONG)).unwrap();
        self.check();
        assert_eq!(self.last.position, last.get());
        for worker in 0..2 {
            self.workers[worker].say("stop");
            assert!(self.workers[worker].end().success());
            let said = self.workers[worker].said("applied ");
            self.note_effects(said);
        }
        // A rebuild that was asked for and did not end yet ends here.
        block_on(program(self.store.clone(), self.views.clone()).catch_up()).unwrap();
        self.moves.clear();
        self.check();
        assert_eq!(self.last.position, last.get());
        println!(
            "{} events, {:?}, {} effects",
            self.moves.len(),
            self.last,
            self.effects.len()
        );
        self.check_that_nothing_is_left_of_other_generations();
    }

    /// All rows and entries of indexes are of the two views that readers see.
    fn check_that_nothing_is_left_of_other_generations(&self) {
        let count =
            |prefix: &[u8]| read_entries(&self.views_store, &ReadEntries::prefix(prefix)).len();
        let fold = fold(&self.moves, 1);
        let rows = fold.applied.len() + fold.balances.len() * 3;
        assert_eq!(count(&[0xFF]), rows);
        assert_eq!((count(b"table/"), count(b"view/")), (2, 2));
        assert_eq!(count(b"projection/ledger/discarded/"), 0);
    }
}

fn start_writer(directory: &Path, random: &mut Rng) -> Process {
    let seed = random.u64(..).to_string();
    Process::start(
        "crash::child_appends_until_killed",
        directory,
        &[("SEED", &seed)],
    )
}

fn start_worker(directory: &Path, views: &Path) -> Process {
    let views = views.to_str().unwrap();
    Process::start(
        "crash::child_projects_until_killed",
        directory,
        &[("VIEWS", views)],
    )
}

/// Compares views with what they must be: row by row, and index by index.
fn compare(views: &ViewSnapshot, expected: Fold) {
    let Fold { applied, balances } = expected;
    let found = views.select(Select::<Applied>::all()).unwrap();
    let mut pairs = found.iter().zip(&applied);
    assert_eq!(pairs.find(|(found, applied)| found != applied), None);
    assert_eq!(found.len(), applied.len());
    let rows: Vec<Balance> = balances.into_values().collect();
    assert_eq!(views.select(Select::<Balance>::all()).unwrap(), rows);
    let by_cents: BTreeMap<_, _> = rows
        .iter()
        .map(|row| ((row.cents, row.account), row))
        .collect();
    let found = views.select(Balance::ordered_by_cents());
    assert!(found.unwrap().iter().eq(by_cents.into_values()));
    let by_last: BTreeMap<_, _> = rows.iter().map(|row| (row.last, row)).collect();
    let found = views.select(Balance::ordered_by_last());
    assert!(found.unwrap().iter().eq(by_last.into_values()));
    for row in &rows {
        let last = Balance::by_last(row.last);
        assert_eq!(views.first(last).unwrap().as_ref(), Some(row));
        let cents = Balance::by_cents(row.cents);
        let same = rows.iter().filter(|other| other.cents == row.cents);
        assert!(views.select(cents).unwrap().iter().eq(same));
    }
}
