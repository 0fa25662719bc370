//! No event is skipped by who tails the log while other processes append.
//!
//! Suites of stores with several writers at once have these cases, whose names are kept here, because there
//! a position is given away before its transaction is committed: a reader may see 5 before 4 is there. Here a
//! position is given away under LMDB's lock of the one writer, over all processes, and freed with its
//! transaction when that is rolled back. So the order of positions is the order of commits, and a gap in the
//! log is what was removed, never what is still to come.

use crate::common::{child_directory, stream};
use crate::kit::{LONG, Process, end_when_left_alone, open, told};
use futures_util::StreamExt;
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{Event, LogId, Midgard, Position, StartFrom, Store, Subscription, Version, block_on};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is appended here: a text.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "happened")]
struct Happened {
    text: String,
}

fn event(text: &str) -> NewEvent {
    let text = text.to_owned();
    NewEvent::encode(&Happened { text }).unwrap()
}

/// The events of a slow append: so many that its transaction takes a while.
const MANY: u64 = 8_000;
/// How long a process is given to do what it must not.
const MOMENT: Duration = Duration::from_millis(200);

/// Not a test of its own: appends to a stream as many events as it is told, in one append.
#[test]
fn child_appends_what_it_is_told() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    println!("ready");
    while let Some(line) = told() {
        let (name, count) = line.split_once(' ').unwrap();
        let events = (0..count.parse().unwrap()).map(|_| event(&"x".repeat(300)));
        let append = Append::to(stream(name), ExpectedVersion::Any, events);
        println!("began");
        let appended = block_on(store.append(append)).unwrap();
        println!("appended {}", appended.position.unwrap());
    }
}

/// Not a test of its own: tails the log, of which nothing may be missing, and says what it sees.
#[test]
fn child_tails_the_log() {
    let Some(directory) = child_directory() else {
        return;
    };
    end_when_left_alone();
    let store = open(directory);
    println!("ready");
    block_on(async {
        let mut events = store.events(ReadLog::forward()).follow();
        let mut last = Position::ZERO;
        while let Some(event) = events.next().await {
            let event = event.unwrap();
            assert_eq!(event.position, last.next(), "positions are dense");
            last = event.position;
            println!("saw {last} {}", event.stream);
        }
    });
}

/// Processes that append to one store, and one that tails its log.
struct Scene {
    directory: tempfile::TempDir,
    store: LmdbStore,
    slow: Process,
    fast: Process,
    tail: Process,
}

fn appender(directory: &Path) -> Process {
    let process = Process::start("order::child_appends_what_it_is_told", directory, &[]);
    process.next("ready");
    process
}

fn end(store: &LmdbStore) -> Position {
    block_on(store.last_position(LogId::MAIN)).unwrap()
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path());
        let tail = Process::start("order::child_tails_the_log", directory.path(), &[]);
        tail.next("ready");
        Scene {
            slow: appender(directory.path()),
            fast: appender(directory.path()),
            tail,
            store,
            directory,
        }
    }

    /// Whether the slow process is in its transaction.
    #[cfg(target_os = "linux")]
    fn slow_is_writing(&self) -> bool {
        self.slow.is_writing(self.directory.path())
    }

    /// The same, where it can only be guessed.
    #[cfg(not(target_os = "linux"))]
    fn slow_is_writing(&self) -> bool {
        std::thread::sleep(Duration::from_millis(30));
        true
    }

    /// The slow process is stopped in the middle of its append, and the fast one has begun its own since.
    /// Gives the last position before both.
    fn slow_began_before_fast(&mut self) -> Position {
        for _ in 0..50 {
            let before = end(&self.store);
            self.slow.say(&format!("slow {MANY}"));
            self.slow.next("began");
            while !self.slow_is_writing() && end(&self.store) == before {}
            self.slow.signal("STOP");
            // Stopped, it neither commits nor gives up the lock.
            let is_within = self.slow_is_writing() && end(&self.store) == before;
            if is_within {
                self.fast.say("fast 1");
                self.fast.next("began");
                return before;
            }
            // It had committed already: once more.
            self.slow.signal("CONT");
            self.slow.next("appended ");
            self.see_up_to(end(&self.store));
        }
        panic!("the slow process was never stopped in the middle of its append");
    }

    /// Lets the tail see everything up to a position, and gives the streams of it in order.
    fn see_up_to(&self, position: Position) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let saw = self.tail.next("saw ");
            let (at, name) = saw.split_once(' ').unwrap();
            seen.push(name.to_owned());
            if at == position.to_string() {
                return seen;
            }
        }
    }

    /// What the tail sees once all have appended what they began: `slow`, and then `fast`.
    fn go_on(&mut self, before: Position) {
        self.slow.signal("CONT");
        let slow: u64 = self.slow.next("appended ").parse().unwrap();
        let fast: u64 = self.fast.next("appended ").parse().unwrap();
        assert_eq!((slow, fast), (before.0 + MANY, before.0 + MANY + 1));
        let seen = self.see_up_to(Position(fast));
        assert_eq!(seen.len() as u64, MANY + 1);
        assert!(seen[..seen.len() - 1].iter().all(|name| name == "slow"));
        assert_eq!(seen.last().unwrap(), "fast");
    }
}

/// The slow process was killed in the middle of its append, which is rolled back, and `next` appended one event
/// since. Gives the last position before both.
///
/// The kill may come so late that the append is there after all, when the next writer looks; then once more.
fn rolled_back(next: impl Fn(&mut Scene)) -> (Scene, Position) {
    for _ in 0..50 {
        let mut scene = Scene::new();
        let before = scene.slow_began_before_fast();
        next(&mut scene);
        let end = end(&scene.store);
        if end == before.next() {
            return (scene, before);
        }
        assert_eq!(end.0, before.0 + MANY + 1, "it is there whole");
    }
    panic!("the slow process was never killed before it had committed");
}

/// Also "does not skip multiple events from a slow transaction that began before a faster one": it has many.
#[test]
fn does_not_skip_events_written_by_a_slow_transaction_that_began_before_a_faster_one() {
    if child_directory().is_some() {
        return;
    }
    let mut scene = Scene::new();
    let before = scene.slow_began_before_fast();
    scene.go_on(before);
}

/// Also "waits for older transactions before exposing newer commits" and "reads events in the order
/// transactions began".
#[test]
fn blocks_visibility_of_new_commits_while_an_older_open_transaction_is_pending() {
    if child_directory().is_some() {
        return;
    }
    let mut scene = Scene::new();
    let before = scene.slow_began_before_fast();
    // The newer one cannot even be committed.
    assert_eq!(scene.tail.next_within("saw ", MOMENT), None);
    assert_eq!(scene.fast.next_within("appended ", MOMENT), None);
    assert_eq!(end(&scene.store), before);
    scene.go_on(before);
}

#[test]
fn does_not_skip_events_from_multiple_concurrent_slow_transactions_that_each_began_before_the_fast_one()
 {
    if child_directory().is_some() {
        return;
    }
    let mut scene = Scene::new();
    let mut others = [(); 3].map(|()| appender(scene.directory.path()));
    let before = scene.slow_began_before_fast();
    // The fast one waits already; two more slow ones come, and a last fast one.
    for (other, append) in others
        .iter_mut()
        .zip(["slow-2 5000", "slow-3 5000", "last 1"])
    {
        other.say(append);
        other.next("began");
    }
    scene.slow.signal("CONT");
    let mut ends = vec![scene.slow.next("appended "), scene.fast.next("appended ")];
    ends.extend(others.iter().map(|other| other.next("appended ")));
    let all = before.0 + MANY + 1 + 5000 + 5000 + 1;
    let ends: Vec<u64> = ends.iter().map(|end| end.parse().unwrap()).collect();
    assert_eq!(ends.iter().max(), Some(&all));
    let seen = scene.see_up_to(Position(all));
    // Each stands in one piece, up to the position that its append gave.
    let count = |name: &str| seen.iter().filter(|seen| *seen == name).count() as u64;
    let names = ["slow", "fast", "slow-2", "slow-3", "last"];
    for ((name, count), end) in names.map(|name| (name, count(name))).iter().zip(ends) {
        let last = (end - before.0) as usize;
        let part = &seen[last - *count as usize..last];
        assert!(part.iter().all(|seen| seen == name), "{name}");
    }
    assert_eq!(names.map(count), [MANY, 1, 5000, 5000, 1]);
}

#[test]
fn reads_committed_events_even_when_earlier_positions_were_rolled_back() {
    if child_directory().is_some() {
        return;
    }
    let (mut scene, before) = rolled_back(|scene| {
        scene.slow.kill();
        scene.fast.next("appended ");
    });
    // The positions that the slow one had given away are given to others.
    assert_eq!(scene.see_up_to(before.next()), ["fast"]);
    scene.fast.say("fast 2");
    assert_eq!(scene.see_up_to(Position(before.0 + 3)), ["fast", "fast"]);
}

fn count_events(store: &LmdbStore, read: &ReadLog, last: &mut Position) -> (u64, Position) {
    let mut count = 0;
    let reached = block_on(store.read_log(read, &mut |event| {
        assert!(event.position > *last, "{} after {last}", event.position);
        *last = event.position;
        count += 1;
        ControlFlow::Continue(())
    }));
    (count, reached.unwrap())
}

#[test]
fn reading_messages_in_batches() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut writers = [(); 2].map(|()| appender(directory.path()));
    for size in [1, 7, 1000] {
        let before = end(&store);
        let (mut at, mut last, mut seen) = (before, before, 0);
        for writer in &mut writers {
            for count in [1, 40, 2, 300, 3] {
                writer.say(&format!("batches-{size} {count}"));
            }
        }
        // While they append, and up to what they have appended.
        let began = Instant::now();
        while seen < 2 * 346 {
            assert!(began.elapsed() < LONG, "only {seen} were seen up to {at}");
            let (count, reached) =
                count_events(&store, &ReadLog::forward().after(at).limit(size), &mut last);
            assert!(count <= size);
            (at, seen) = (reached, seen + count);
        }
        assert_eq!((at, last), (end(&store), Position(before.0 + 2 * 346)));
    }
}

type Seen = Arc<Mutex<Vec<u64>>>;

/// Handles everything that the log has, and gives the positions of what was handled.
fn catch_up(store: &LmdbStore) -> Vec<u64> {
    let seen = Seen::default();
    let positions = seen.clone();
    let all = Subscription::<Happened>::events("all", StartFrom::Start);
    let midgard = Midgard::new(store.clone()).subscribe(all, move |delivery| {
        positions.lock().unwrap().push(delivery.recorded.position.0);
        ready(Ok(()))
    });
    block_on(midgard.catch_up()).unwrap();
    std::mem::take(&mut *seen.lock().unwrap())
}

/// Not a test of its own: handles what the log has, and says how much it was.
#[test]
fn child_catches_up() {
    let Some(directory) = child_directory() else {
        return;
    };
    println!("handled {}", catch_up(&open(directory)).len());
}

#[test]
fn reads_all_messages_from_one_transaction_and_does_not_repeat_them_after_the_checkpoint_advances()
{
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut writer = appender(directory.path());
    // More than are read at once.
    writer.say("many 10000");
    writer.next("appended ");
    assert!(catch_up(&store).into_iter().eq(1..=10_000));
    assert!(catch_up(&store).is_empty());
    let handled =
        || Process::start("order::child_catches_up", directory.path(), &[]).next("handled ");
    assert_eq!(handled(), "0", "the checkpoint is for all processes");
    writer.say("many 3");
    writer.next("appended ");
    assert_eq!((handled(), handled()), ("3".to_owned(), "0".to_owned()));
    assert!(catch_up(&store).is_empty());
}

#[test]
fn find_all_zeros_with_no_state() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert_eq!(end(&store), Position::ZERO);
    let nothing = count_events(&store, &ReadLog::forward(), &mut Position::ZERO.clone());
    assert_eq!(nothing, (0, Position::ZERO));
    assert!(catch_up(&store).is_empty());
}

fn append_some(store: &LmdbStore, name: &str, count: usize) {
    let events = (0..count).map(|_| event("x"));
    let append = Append::to(stream(name), ExpectedVersion::Any, events);
    block_on(store.append(append)).unwrap();
}

fn truncate(store: &LmdbStore, name: &str, before: Version) {
    block_on(store.truncate(&stream(name), before, ExpectedVersion::Any)).unwrap();
}

#[test]
fn starting_from_first_detection_all_contiguous_events() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append_some(&store, "a", 25);
    assert_eq!(end(&store), Position(25));
    assert!(catch_up(&store).into_iter().eq(1..=25));
}

/// Also "with nonzero buffer": there is no buffer, as there is nothing to wait for at a gap. A gap is where
/// events were removed.
#[test]
fn starting_from_first_detection_some_gaps_with_zero_buffer() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append_some(&store, "a", 5);
    append_some(&store, "b", 5);
    append_some(&store, "a", 5);
    append_some(&store, "c", 2);
    // A truncation and an end of a stream each take a position of their own.
    truncate(&store, "a", Version(9));
    block_on(store.tombstone(&stream("c"), ExpectedVersion::Any)).unwrap();
    let left: Vec<u64> = (6..=10).chain(14..=15).collect();
    assert_eq!(catch_up(&store), left);
    assert_eq!(end(&store), Position(19));
    // What comes after the gap is not held up by it.
    append_some(&store, "d", 1);
    assert_eq!(catch_up(&store), [20]);
}

/// A reader that meets the same gap again passes over it again, and does not take it for news.
#[test]
fn second_run_detect_same_gap_when_stale() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    append_some(&store, "a", 3);
    append_some(&store, "b", 2);
    truncate(&store, "b", Version(3));
    for _ in 0..3 {
        let mut last = Position::ZERO;
        let read = count_events(&store, &ReadLog::forward(), &mut last);
        assert_eq!((read, last), ((3, Position(6)), Position(3)));
    }
    assert_eq!(catch_up(&store), [1, 2, 3]);
    assert!(catch_up(&store).is_empty());
}

/// There, a sequence runs ahead of the events that are committed, and a reader has to wait until it is safe to
/// assume that the rest was rolled back. Here, the last position that was given away is that of an event that is
/// there, also right after a process was killed in the middle of an append.
#[test]
fn look_for_safe_harbor_time_if_there_are_gaps_between_highest_assigned_event_and_the_sequence() {
    if child_directory().is_some() {
        return;
    }
    let (scene, before) = rolled_back(|scene| {
        let before = end(&scene.store);
        scene.fast.kill();
        scene.slow.kill();
        assert_eq!(end(&scene.store), before);
        append_some(&scene.store, "here", 1);
    });
    assert_eq!(scene.see_up_to(before.next()), ["here"]);
}
