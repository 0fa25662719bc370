//! A rolling deployment: an old and a new release of one service on one store and one bus, at once and in turns, killed at
//! random; then the new one alone to the end. Nothing is passed over, nothing comes twice in effect, and each order's events are
//! handled in order.
//!
//! `MIDGARD_TEST_SEED` repeats the choices of a run that failed, though not its moments; `MIDGARD_TEST_ROUNDS` says how many
//! deployments there are.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod effects;
mod oracle;
mod recorded;
mod releases;

use futures_util::future::{Either, select};
use midgard::bus::{DynBus, InProcessBus};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{EventSet, MidgardHandle, Store as _, StreamName, block_on};
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_store_lmdb::LmdbStore;
use recorded::Recorded;
use releases::{Paid, Placed, PlacedV1, Release, Voided, program};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than it takes until all is quiet.
const LONG: Duration = Duration::from_secs(180);
const PHASES: usize = 8;

/// A release that runs until it is killed.
enum Program {
    /// A thread, whose future is dropped.
    Thread(Arc<AtomicBool>, thread::JoinHandle<()>),
    Process(Child),
}

impl Program {
    fn kill(self) {
        match self {
            Program::Thread(is_killed, thread) => {
                is_killed.store(true, Ordering::SeqCst);
                thread.join().unwrap();
            }
            Program::Process(mut child) => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }
}

/// Where releases run.
enum Stage {
    InProcess(LmdbStore, Recorded),
    Processes(String),
}

struct World {
    stage: Stage,
    directory: PathBuf,
    store: LmdbStore,
    /// How many events each order has.
    numbers: BTreeMap<u64, u64>,
}

impl World {
    fn mails(&self) -> PathBuf {
        self.directory.join("mails")
    }

    fn start(&self, release: Release) -> Program {
        match &self.stage {
            Stage::InProcess(store, bus) => {
                let midgard = program(
                    release,
                    store.clone(),
                    DynBus::new(bus.clone()),
                    self.mails(),
                );
                let is_killed = Arc::new(AtomicBool::new(false));
                let killed = is_killed.clone();
                let thread = thread::spawn(move || {
                    let killed = std::future::poll_fn(|_| {
                        if killed.load(Ordering::SeqCst) {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    });
                    let run = pin!(midgard.run());
                    if let Either::Left((ended, _)) = block_on(select(run, killed)) {
                        panic!("{release:?} ended by itself: {ended:?}");
                    }
                });
                Program::Thread(is_killed, thread)
            }
            Stage::Processes(address) => {
                let mut child = Command::new(std::env::current_exe().unwrap());
                child.args(["child_runs_until_killed", "--exact", "--nocapture"]);
                child.env("MIDGARD_TEST_CHILD", format!("{release:?}"));
                child.env("MIDGARD_TEST_DIRECTORY", &self.directory);
                child.env("MIDGARD_TEST_ADDRESS", address);
                child.stdin(Stdio::piped()).stdout(Stdio::null());
                Program::Process(child.spawn().unwrap())
            }
        }
    }

    fn faults(&self, handle: &MidgardHandle) -> Vec<String> {
        let published = match &self.stage {
            Stage::InProcess(_, bus) => Some(bus.published()),
            Stage::Processes(_) => None,
        };
        oracle::faults(&self.store, &self.mails(), published, handle)
    }

    /// Appends some events, as a release does.
    fn append(&mut self, release: Release, random: &mut fastrand::Rng) {
        for _ in 0..random.usize(1..6) {
            let order = random.u64(0..12);
            let number = self.numbers.entry(order).or_default();
            *number += 1;
            let number = *number;
            let currency = "USD".to_owned();
            match (number, release) {
                (1, Release::Old) => append(&self.store, order, &PlacedV1 { order, number }),
                (1, Release::New) => append(
                    &self.store,
                    order,
                    &Placed {
                        order,
                        number,
                        currency,
                    },
                ),
                (_, Release::New) if random.bool() => {
                    append(&self.store, order, &Voided { order, number });
                }
                _ => append(&self.store, order, &Paid { order, number }),
            }
        }
    }
}

fn append<E: EventSet>(store: &LmdbStore, order: u64, event: &E) {
    let stream = StreamName::new(format!("order-{order}")).unwrap();
    let event = NewEvent::encode(event).unwrap();
    block_on(store.append(Append::to(stream, ExpectedVersion::Any, [event]))).unwrap();
}

/// Not a test of its own: a release in a process.
#[test]
fn child_runs_until_killed() {
    let Ok(release) = std::env::var("MIDGARD_TEST_CHILD") else {
        return;
    };
    let release = if release == "Old" {
        Release::Old
    } else {
        Release::New
    };
    let variable = |name| std::env::var(name).unwrap();
    let directory = PathBuf::from(variable("MIDGARD_TEST_DIRECTORY"));
    let bus = NatsBus::new(NatsOptions::new(variable("MIDGARD_TEST_ADDRESS")));
    thread::spawn(|| {
        // It ends with who has started it.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
    let store = LmdbStore::open(directory.join("store")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let midgard = program(release, store, bus, directory.join("mails"));
    runtime.block_on(midgard.run()).unwrap();
}

fn is_child() -> bool {
    std::env::var("MIDGARD_TEST_CHILD").is_ok()
}

/// One deployment; panics with all that is wrong at its end.
fn deploy(seed: u64, stage: impl FnOnce(&LmdbStore) -> Stage) {
    println!("MIDGARD_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path().join("store")).unwrap();
    let mut world = World {
        stage: stage(&store),
        directory: directory.path().to_owned(),
        store,
        numbers: BTreeMap::new(),
    };
    // The old release alone at first, which makes what there is to be taken over.
    world.append(Release::Old, &mut random);
    let mut programs = BTreeMap::from([(0, world.start(Release::Old))]);
    for phase in 0..PHASES {
        let has =
            |programs: &BTreeMap<u8, Program>, release| programs.contains_key(&(release as u8));
        for _ in 0..random.usize(1..4) {
            let newest = if has(&programs, Release::New) {
                random.bool()
            } else {
                false
            };
            let release = if newest { Release::New } else { Release::Old };
            world.append(release, &mut random);
            thread::sleep(Duration::from_millis(random.u64(0..150)));
        }
        let release = if random.bool() {
            Release::New
        } else {
            Release::Old
        };
        match programs.remove(&(release as u8)) {
            Some(program) => program.kill(),
            None => {
                programs.insert(release as u8, world.start(release));
            }
        }
        println!(
            "phase {phase}: {:?}",
            programs
                .keys()
                .map(|one| ["old", "new"][usize::from(*one)])
                .collect::<Vec<_>>()
        );
    }
    programs.into_values().for_each(Program::kill);
    // An order that comes last.
    world.append(Release::New, &mut random);
    finish(&world);
}

/// Lets the new release run alone until all is as it must be.
fn finish(world: &World) {
    let handle = handle(world);
    let new = world.start(Release::New);
    let began = Instant::now();
    let mut faults;
    loop {
        faults = world.faults(&handle);
        if faults.is_empty() || began.elapsed() > LONG {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    // Nothing comes twice later.
    thread::sleep(Duration::from_millis(300));
    if faults.is_empty() {
        faults = world.faults(&handle);
    }
    new.kill();
    assert_eq!(faults, [""; 0], "after {:?}", began.elapsed());
}

/// What reads the notes of the new release, without running it.
fn handle(world: &World) -> MidgardHandle {
    let bus = DynBus::new(InProcessBus::new());
    program(Release::New, world.store.clone(), bus, world.mails()).handle()
}

fn seeds(rounds: u64) -> Vec<u64> {
    if let Ok(seed) = std::env::var("MIDGARD_TEST_SEED") {
        return vec![seed.parse().unwrap()];
    }
    let rounds =
        std::env::var("MIDGARD_TEST_ROUNDS").map_or(rounds, |rounds| rounds.parse().unwrap());
    (0..rounds).map(|_| fastrand::u64(..)).collect()
}

#[test]
fn of_an_old_and_a_new_release_in_one_process_nothing_is_passed_over_or_done_twice() {
    if is_child() {
        return;
    }
    for seed in seeds(3) {
        deploy(seed, |store| {
            Stage::InProcess(store.clone(), Recorded::default())
        });
    }
}

#[test]
fn of_an_old_and_a_new_release_over_nats_nothing_is_passed_over_or_done_twice() {
    if is_child() {
        return;
    }
    for seed in seeds(1) {
        let Some(nats) = midgard_test_servers::nats("a rolling deployment") else {
            return;
        };
        deploy(seed, |_| Stage::Processes(nats.address()));
    }
}
