//! One directory opened several times: in one process, one after another, and by several processes.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::LONG;
use crate::common::{
    Lines, append, child_directory, event, payloads, read_entries, read_log, read_stream,
    start_child, stream,
};
use futures_util::StreamExt;
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog, StoreError};
use midgard::store::{EmbeddedStore, EntryError, EntryWrite, ReadEntries};
use midgard::{LogId, Position, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use std::collections::HashSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, Once, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

#[test]
fn a_directory_opened_twice_in_one_process_is_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let first = LmdbStore::open(directory.path()).unwrap();
    let second = LmdbStore::open(directory.path().join(".")).unwrap();
    append(&first, "a", vec![event("1")]).unwrap();
    append(&second, "a", vec![event("2")]).unwrap();
    drop(first);
    append(&second, "a", vec![event("3")]).unwrap();
    assert_eq!(
        payloads(&read_stream(&second, "a").unwrap()),
        ["1", "2", "3"]
    );
}

#[test]
fn a_weaker_durability_is_never_shared_with_one_who_asked_for_full() {
    let directory = tempfile::tempdir().unwrap();
    let weak = LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory.path())
        .unwrap();
    let error = LmdbStore::open(directory.path()).unwrap_err().to_string();
    assert!(
        error.contains("is open in this process with durability NoSync"),
        "{error}"
    );
    drop(weak);
    LmdbStore::open(directory.path()).unwrap();
}

#[test]
fn opening_again_after_the_last_handle_was_dropped_finds_everything() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=20 {
        let store = LmdbStore::open(directory.path()).unwrap();
        let appended = append(&store, "a", vec![event("x")]).unwrap();
        assert_eq!(appended.version(), Version(round));
        assert_eq!(appended.position, Some(Position(round)));
    }
}

#[test]
fn opening_and_dropping_from_many_threads_never_meets_a_half_closed_store() {
    let directory = tempfile::tempdir().unwrap();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..25 {
                    let store = LmdbStore::open(directory.path()).unwrap();
                    append(&store, "a", vec![event("x")]).unwrap();
                }
            });
        }
    });
    let store = LmdbStore::open(directory.path()).unwrap();
    assert_eq!(read_stream(&store, "a").unwrap().len(), 200);
}

#[test]
fn an_append_whose_future_is_dropped_is_whole_or_absent_and_never_blocks_the_close() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    block_on(async {
        for number in 1..=50 {
            let append = Append::to(stream("a"), ExpectedVersion::Any, [event("1"), event("2")]);
            let mut future = Box::pin(store.append(append));
            // Polled once, so that it is queued, and then forgotten, but for five of them.
            let polled = futures_util::poll!(&mut future);
            if number % 10 == 5 && polled.is_pending() {
                future.await.unwrap();
            }
        }
    });
    drop(store);
    let store = LmdbStore::open(directory.path()).unwrap();
    let appended = payloads(&read_stream(&store, "a").unwrap());
    let appends = appended.len() / 2;
    assert_eq!(appended, ["1", "2"].repeat(appends));
    assert!((5..=50).contains(&appends), "{appends}");
}

/// Not a test of its own: what a further process does.
#[test]
fn child_appends_a_hundred_times() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    let own = format!("own-{}", std::process::id());
    for number in 1..=100 {
        append(&store, &own, vec![event(number.to_string())]).unwrap();
        append(
            &store,
            "shared",
            vec![event(number.to_string()), event(number.to_string())],
        )
        .unwrap();
    }
}

#[test]
fn several_processes_append_to_one_store_at_once() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let mut children: Vec<_> = (0..3)
        .map(|_| {
            start_child(
                "sharing::child_appends_a_hundred_times",
                directory.path(),
                "",
            )
        })
        .collect();
    for number in 1..=100 {
        append(
            &store,
            "shared",
            vec![event(number.to_string()), event(number.to_string())],
        )
        .unwrap();
    }
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let log = read_log(&store).unwrap();
    assert!(
        log.iter()
            .map(|event| event.position.get())
            .eq(1..=3 * 300 + 200),
        "positions are dense"
    );
    let shared = read_stream(&store, "shared").unwrap();
    assert!(
        shared.iter().map(|event| event.version.get()).eq(1..=800),
        "versions are dense"
    );
    assert!(
        shared
            .chunks(2)
            .all(|pair| pair[0].payload == pair[1].payload),
        "batches stand together"
    );
    let streams: HashSet<_> = log
        .iter()
        .map(|event| event.stream.as_str().to_owned())
        .collect();
    assert_eq!(streams.len(), 4);
}

#[test]
fn a_retry_is_recognised_also_when_another_process_made_the_first_append() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let events = vec![event("first"), event("second")];
    // So that what the writer remembers is already filled when the child appends.
    let first = append(&store, "a", events.clone()).unwrap();
    assert_eq!(append(&store, "a", events.clone()).unwrap(), first);
    let mut child = start_child(
        "sharing::child_appends_a_hundred_times",
        directory.path(),
        "",
    );
    assert!(child.wait().unwrap().success());
    let of_the_child = read_stream(&store, "shared").unwrap();
    let retry: Vec<_> = of_the_child[6..8]
        .iter()
        .map(|known| {
            NewEvent::json(
                known.name.clone(),
                known.schema_version,
                known.payload.clone(),
            )
            .with_id(known.id)
        })
        .collect();
    let answer = append(&store, "shared", retry).unwrap();
    assert_eq!(
        (answer.version(), answer.position),
        (Version(8), Some(of_the_child[7].position))
    );
    assert_eq!(append(&store, "a", events).unwrap(), first);
}

/// Not a test of its own: truncates a stream at its third version.
#[test]
fn child_truncates() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    block_on(store.truncate(&stream("a"), Version(3), ExpectedVersion::Any)).unwrap();
}

#[test]
fn what_another_process_removed_is_not_recognised_any_more() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let (removed, kept) = (event("1"), event("3"));
    append(&store, "a", vec![removed.clone()]).unwrap();
    append(&store, "a", vec![event("2")]).unwrap();
    append(&store, "a", vec![kept.clone()]).unwrap();
    assert_eq!(
        append(&store, "a", vec![removed.clone()])
            .unwrap()
            .version(),
        Version(1)
    );
    let mut child = start_child("sharing::child_truncates", directory.path(), "");
    assert!(child.wait().unwrap().success());
    // As after a truncation in this process.
    assert_eq!(
        append(&store, "a", vec![removed]).unwrap().version(),
        Version(4)
    );
    assert_eq!(
        append(&store, "a", vec![kept]).unwrap().version(),
        Version(3)
    );
}

/// Not a test of its own: appends once.
#[test]
fn child_appends_once() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    append(&store, "of-the-child", vec![event("1")]).unwrap();
}

#[test]
fn an_append_of_another_process_is_noticed_while_this_one_is_busy_with_conflicts() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("1")]).unwrap();
    let (done, waited) = mpsc::channel();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            block_on(store.wait_past(LogId::MAIN, Position(1))).unwrap();
            done.send(()).unwrap();
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let append = Append::to(stream("a"), ExpectedVersion::NoStream, [event("x")]);
                block_on(store.append(append)).unwrap_err();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let mut child = start_child("sharing::child_appends_once", directory.path(), "");
        assert!(child.wait().unwrap().success());
        let noticed = waited.recv_timeout(LONG);
        stop.store(true, Ordering::Relaxed);
        if noticed.is_err() {
            // So that the test ends.
            append(&store, "a", vec![event("2")]).unwrap();
        }
        noticed.unwrap();
    });
}

/// A task as the simplest executors have them: whoever wakes it puts it in the queue, and drops it when
/// there is no executor any more.
struct Task {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    queue: mpsc::Sender<Arc<Task>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let _ = self.queue.clone().send(self);
    }
}

#[test]
fn the_last_handle_may_be_dropped_by_whoever_is_woken() {
    let directory = tempfile::tempdir().unwrap();
    for round in 1..=20 {
        let store = LmdbStore::open(directory.path()).unwrap();
        let panicked = panics_of_the_writer();
        let (queue, tasks) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let held = (store, end);
        let future = async move {
            // Both, and in this order they are dropped.
            let held = held;
            append_async(&held.0).await;
        };
        let task = Arc::new(Task {
            future: Mutex::new(Some(Box::pin(future))),
            queue,
        });
        drop(tasks);
        let waker = Waker::from(task.clone());
        // Once is enough to queue the append. Whether it is done then does not matter.
        let _ = task
            .future
            .lock()
            .unwrap()
            .as_mut()
            .unwrap()
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        drop((waker, task));
        let ended = ended.recv_timeout(LONG);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
        let store = LmdbStore::open(directory.path()).unwrap();
        assert_eq!(read_stream(&store, "a").unwrap().len(), round);
        assert_eq!(panics_of_the_writer(), panicked);
    }
}

async fn append_async(store: &LmdbStore) {
    let append = Append::to(stream("a"), ExpectedVersion::Any, [event("x")]);
    store.append(append).await.unwrap();
}

/// How often a writer thread panicked so far, as far as it was not told to.
fn panics_of_the_writer() -> usize {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let told = info.payload_as_str() == Some(BAD_WAKER);
            if thread::current().name() == Some("midgard-lmdb-writer") && !told {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            before(info);
        }));
    });
    PANICS.load(Ordering::SeqCst)
}

const BAD_WAKER: &str = "a waker that panics";

struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("{BAD_WAKER}");
    }
}

#[test]
fn whoever_waits_is_told_when_the_writer_ends() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let (done, waited) = mpsc::channel();
    let waiting = store.clone();
    thread::spawn(move || done.send(block_on(waiting.wait_past(LogId::MAIN, Position(1_000)))));
    thread::sleep(Duration::from_millis(100));
    // Until the writer calls a waker: it may be quicker than this thread, and a future must be there.
    let _pending = loop {
        let mut append = Box::pin(append_async(&store));
        let waker = Waker::from(Arc::new(BadWaker));
        let mut context = Context::from_waker(&waker);
        if append.as_mut().poll(&mut context).is_pending() {
            break append;
        }
    };
    let outcome = waited.recv_timeout(LONG).unwrap();
    assert!(matches!(outcome, Err(StoreError::Closed { .. })));
    let append = Append::to(stream("a"), ExpectedVersion::Any, [event("x")]);
    block_on(store.append(append)).unwrap_err();
}

/// Not a test of its own: follows the log and prints what it gets, until it has ten events.
#[test]
fn child_follows_ten_events() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    println!("ready");
    block_on(async {
        let mut events = store.events(ReadLog::forward().limit(10)).follow();
        while let Some(event) = events.next().await {
            println!("got {}", String::from_utf8(event.unwrap().payload).unwrap());
        }
    });
}

#[test]
fn a_reader_in_another_process_follows_what_is_appended_here() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    append(&store, "a", vec![event("1"), event("2")]).unwrap();
    let mut child = start_child("sharing::child_follows_ten_events", directory.path(), "");
    let mut lines = Lines::of(&mut child);
    let mut next = |words| lines.next(words).unwrap();
    next("ready");
    for number in 3..=10 {
        assert_eq!(next("got "), (number - 2).to_string());
        append(&store, "a", vec![event(number.to_string())]).unwrap();
    }
    assert_eq!(
        (next("got "), next("got ")),
        ("9".to_owned(), "10".to_owned())
    );
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_wait_ends_with_an_append_of_another_thread() {
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| block_on(store.wait_past(LogId::MAIN, Position(4))));
        for _ in 0..5 {
            append(&store, "a", vec![event("x")]).unwrap();
        }
        waiting.join().unwrap().unwrap();
    });
    let unknown = block_on(store.wait_past(LogId(7), Position::ZERO)).unwrap_err();
    assert!(matches!(
        unknown,
        StoreError::UnknownLog { log: LogId(7), .. }
    ));
}

/// Not a test of its own: counts an entry up a hundred times, whoever else does.
#[test]
fn child_counts_to_a_hundred() {
    let Some(directory) = child_directory() else {
        return;
    };
    count_to_a_hundred(&LmdbStore::open(directory).unwrap());
}

fn count_to_a_hundred(store: &LmdbStore) {
    let own = format!("own/{}", std::process::id()).into_bytes();
    let mut made = 0;
    while made < 100 {
        let before = read_entries(store, &ReadEntries::key(b"count")).pop();
        let before = before.map(|(_, value)| value);
        let count = before.as_ref().map_or(0, |value| {
            u64::from_be_bytes(value.as_slice().try_into().unwrap())
        });
        let write = EntryWrite::new()
            .expect(b"count", before.as_deref())
            .put(b"count", &(count + 1).to_be_bytes())
            .put(&own, &[made + 1]);
        match block_on(store.write_entries(write)) {
            Ok(()) => made += 1,
            Err(EntryError::Changed { key }) => assert_eq!(key, b"count"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn entries_that_another_process_writes_are_seen_and_none_is_lost() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = LmdbStore::open(directory.path()).unwrap();
    let before = store.snapshot().unwrap();
    let mut children: Vec<_> = (0..3)
        .map(|_| start_child("sharing::child_counts_to_a_hundred", directory.path(), ""))
        .collect();
    count_to_a_hundred(&store);
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let count = read_entries(&store, &ReadEntries::key(b"count"));
    assert_eq!(count[0].1, 400u64.to_be_bytes());
    let own = read_entries(&store, &ReadEntries::prefix(b"own/"));
    assert_eq!(own.len(), 4);
    assert!(own.iter().all(|(_, value)| *value == [100]));
    assert_eq!(before.get(b"count").unwrap(), None, "it stays as it was");
    let after = store.snapshot().unwrap();
    assert_eq!(
        after.get(b"count").unwrap(),
        Some(&400u64.to_be_bytes()[..])
    );
}
