//! Processes that end in the middle of an append over two shards, answers that are lost, futures that are dropped.

use crate::kit::{append, change, entries, entry, event, numbers, stream, to};
use midgard::store::{
    Append, AppendError, Appended, EntryError, EntryWrite, ExpectedVersion, Layer, Layered,
    StoreError,
};
use midgard::{DynStore, MemoryStore, Store, block_on};
use midgard_store_sharded::ShardedStore;
use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;

/// The store of a process that ends at one of its writes.
#[derive(Clone)]
struct Mortal {
    inner: MemoryStore,
    /// How many more writes it does; it ends at the one after them.
    left: Arc<AtomicI64>,
    /// Whether that last one is done all the same: only its answer is lost.
    is_done: bool,
}

impl Mortal {
    fn dies(&self) -> StoreError {
        let _ = self;
        StoreError::OutcomeUnknown {
            reason: "the process ends here".to_owned(),
        }
    }

    /// Returns whether a write is done, and whether its answer arrives.
    fn step(&self) -> (bool, bool) {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        (left > 0 || (left == 0 && self.is_done), left > 0)
    }
}

impl Layer for Mortal {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let (is_done, is_answered) = self.step();
        let answer = match is_done {
            true => self.inner.append(append).await,
            false => Err(self.dies().into()),
        };
        if is_answered {
            answer
        } else {
            Err(self.dies().into())
        }
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        let (is_done, is_answered) = self.step();
        let answer = match is_done {
            true => self.inner.write_entries(write).await,
            false => Err(self.dies().into()),
        };
        if is_answered {
            answer
        } else {
            Err(self.dies().into())
        }
    }
}

/// Returns the store of a process that ends after so many writes, over two shards.
fn mortal(shards: &[MemoryStore; 2], writes: i64, is_done: bool) -> ShardedStore<Layered<Mortal>> {
    let left = Arc::new(AtomicI64::new(writes));
    let [streams, entries] = shards.clone().map(|inner| {
        let left = Arc::clone(&left);
        Layered::new(Mortal {
            inner,
            left,
            is_done,
        })
    });
    ShardedStore::with_entries_apart(streams, entries)
}

fn immortal(shards: &[MemoryStore; 2]) -> ShardedStore<MemoryStore> {
    let [streams, entries] = shards.clone();
    ShardedStore::with_entries_apart(streams, entries)
}

#[test]
fn an_append_whose_process_ends_at_any_write_is_done_as_a_whole_or_not_at_all() {
    let mut outcomes = Vec::new();
    for (writes, is_done) in (0..=5).flat_map(|writes| [(writes, false), (writes, true)]) {
        let shards = [MemoryStore::new(), MemoryStore::new()];
        let both = || change("a", None, "new").put(b"b", b"new").remove(b"c");
        let store = mortal(&shards, writes, is_done);
        let _ = append(&store, to("order-1", 1).with_entries(both()));
        // Another process reads, and then writes the same entries.
        let other = immortal(&shards);
        let events = numbers(&other, "order-1");
        let found = entries(&other);
        let wanted: &[(Vec<u8>, Vec<u8>)] = match events.len() {
            0 => &[],
            _ => &[
                (b"a".to_vec(), b"new".to_vec()),
                (b"b".to_vec(), b"new".to_vec()),
            ],
        };
        assert_eq!(
            found, wanted,
            "after {writes} writes, the last one done: {is_done}"
        );
        outcomes.push(events.len());
        let before = events.first().map(|_| "new");
        let next = to("order-1", 2).with_entries(change("a", before, "newer"));
        append(&other, next).unwrap();
        assert_eq!(block_on(entry(&other, b"a")).unwrap(), b"newer");
        // Nothing of it is left, but an outcome that nobody looks for.
        let left = entries(&shards[1]);
        assert!(
            left.iter().all(|(key, _)| !key.starts_with(b"\0")),
            "{left:?}"
        );
    }
    assert_eq!(outcomes, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
}

/// Returns the name of a stream in the second of two shards.
fn elsewhere(store: &ShardedStore<MemoryStore>) -> String {
    let mut names = (0..).map(|number| format!("order-{number}"));
    let is_there = |name: &String| store.log_of(&stream(name)).0 == 1;
    names.find(is_there).unwrap()
}

#[test]
fn what_processes_leave_behind_is_done_or_swept_away_when_the_store_is_opened() {
    // After so many of the five writes, the append is there or not.
    for (writes, is_there) in [(1, false), (2, false), (3, true), (4, true)] {
        let shards: [MemoryStore; 2] = Default::default();
        let name = elsewhere(&block_on(ShardedStore::open(shards.clone())).unwrap());
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let mortal = shards.clone().map(|inner| {
            let left = Arc::clone(&left);
            Layered::new(Mortal {
                inner,
                left,
                is_done: false,
            })
        });
        let store = block_on(ShardedStore::open(mortal)).unwrap();
        left.store(writes, Ordering::SeqCst);
        let _ = append(&store, to(&name, 1).with_entries(change("a", None, "new")));

        let store = block_on(ShardedStore::open(shards.clone())).unwrap();
        assert_eq!(numbers(&store, &name).len() == 1, is_there, "{writes}");
        let found = block_on(entry(&store, b"a"));
        assert_eq!(found.is_some(), is_there, "after {writes} writes");
        // Whoever writes the entry settles its lock, and another opening removes the outcome.
        block_on(store.write_entries(EntryWrite::new().put(b"a", b"newer"))).unwrap();
        block_on(ShardedStore::open(shards.clone())).unwrap();
        let own = |store: &MemoryStore| {
            let own = entries(store).into_iter().map(|(key, _)| key);
            let own = own.filter(|key| key.starts_with(b"\0"));
            own.map(|key| String::from_utf8(key).unwrap())
                .collect::<Vec<_>>()
        };
        let about = "\0midgard.sharded/about";
        let complete = "\0midgard.sharded/complete";
        let [first, second] = shards.each_ref().map(own);
        assert_eq!(first, [about, complete], "after {writes} writes");
        assert_eq!(second, [about], "after {writes} writes");
    }
}

#[test]
fn a_shard_that_fails_for_good_leaves_nothing_locked() {
    for writes in 1..=2 {
        let shards = [MemoryStore::new(), MemoryStore::new()];
        let failing = Failing(Arc::new(AtomicI64::new(writes)));
        let [streams, entries] = shards.clone().map(|inner| {
            Layered::new(FailsOnce {
                inner,
                at: failing.clone(),
            })
        });
        let store = ShardedStore::with_entries_apart(streams, entries);
        let one = to("order-1", 1).with_entries(change("a", None, "new"));
        let error = append(&store, one.clone()).unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");
        assert!(numbers(&store, "order-1").is_empty());
        append(&store, one).unwrap();
        assert_eq!(block_on(entry(&store, b"a")).unwrap(), b"new");
    }
}

/// How many writes are left before one fails, and nothing of it is done.
#[derive(Clone)]
struct Failing(Arc<AtomicI64>);

struct FailsOnce {
    inner: MemoryStore,
    at: Failing,
}

impl FailsOnce {
    fn check(&self) -> Result<(), StoreError> {
        match self.at.0.fetch_sub(1, Ordering::SeqCst) {
            0 => Err(StoreError::Backend {
                action: "write",
                cause: "there is no room".into(),
            }),
            _ => Ok(()),
        }
    }
}

impl Layer for FailsOnce {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.check()?;
        self.inner.append(append).await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        self.check()?;
        self.inner.write_entries(write).await
    }
}

#[test]
fn an_append_with_an_empty_change_of_entries_is_one_write() {
    let shards = [MemoryStore::new(), MemoryStore::new()];
    let store = mortal(&shards, 1, false);
    append(&store, to("order-1", 1).with_entries(EntryWrite::new())).unwrap();
    assert_eq!(numbers(&store, "order-1"), [1]);
}

#[test]
fn many_and_large_entries_change_with_the_events_of_another_shard() {
    let shards = [MemoryStore::new(), MemoryStore::new()];
    let store = immortal(&shards);
    let mut many = EntryWrite::new();
    for number in 0..400_000_u32 {
        many.set(number.to_be_bytes().to_vec(), Some(vec![1]));
    }
    let large = vec![7; midgard::limits::ENTRY_VALUE_BYTES];
    let many = many.put(b"large", &large);
    append(&store, to("order-1", 1).with_entries(many)).unwrap();
    assert_eq!(entries(&store).len(), 400_001);
    assert!(block_on(entry(&store, b"large")).unwrap() == large);
}

#[test]
fn entries_alone_whose_process_ends_are_changed_or_not() {
    for is_done in [false, true] {
        let shards = [MemoryStore::new(), MemoryStore::new()];
        let store = mortal(&shards, 0, is_done);
        block_on(store.write_entries(change("a", None, "new"))).unwrap_err();
        let other = immortal(&shards);
        assert_eq!(block_on(entry(&other, b"a")).is_some(), is_done);
        let before = is_done.then_some("new");
        block_on(other.write_entries(change("a", before, "newer"))).unwrap();
    }
}

#[test]
fn an_append_that_was_answered_with_an_unknown_outcome_can_be_repeated() {
    for writes in 0..=5 {
        let shards = [MemoryStore::new(), MemoryStore::new()];
        let one = Append::to(stream("order-1"), ExpectedVersion::NoStream, [event(1)])
            .with_entries(change("a", None, "new"));
        for is_done in [true, false] {
            let _ = append(&mortal(&shards, writes, is_done), one.clone());
        }
        let appended = append(&immortal(&shards), one).unwrap();
        assert_eq!(appended.version().get(), 1);
        assert_eq!(numbers(&immortal(&shards), "order-1"), [1]);
        assert_eq!(block_on(entry(&immortal(&shards), b"a")).unwrap(), b"new");
    }
}

/// A store whose writes do not end at once, so that a future can be dropped between any two.
#[derive(Clone)]
struct Slow(MemoryStore);

impl Layer for Slow {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.0
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        midgard::store::give_way().await;
        self.0.append(append).await
    }

    async fn write_entries(&self, write: EntryWrite) -> Result<(), EntryError> {
        midgard::store::give_way().await;
        self.0.write_entries(write).await
    }
}

#[test]
fn an_append_that_is_dropped_at_any_moment_blocks_no_other() {
    for polls in 0..12 {
        let shards =
            [MemoryStore::new(), MemoryStore::new()].map(|inner| Layered::new(Slow(inner)));
        let [streams, apart] = shards;
        let store = ShardedStore::with_entries_apart(streams, apart);
        let one = to("order-1", 1).with_entries(change("a", None, "new"));
        let is_over = {
            let mut append = pin!(store.append(one));
            let mut context = Context::from_waker(Waker::noop());
            (0..polls).any(|_| append.as_mut().poll(&mut context).is_ready())
        };
        let is_there = numbers(&store, "order-1").len() == 1;
        assert!(is_there || !is_over);
        // The events that are seen have their entries, for this process at once.
        let before = is_there.then_some("new");
        let other = to("order-2", 2).with_entries(change("a", before, "newer"));
        let begun = std::time::Instant::now();
        append(&store, other).unwrap();
        let waited = begun.elapsed();
        assert!(waited.as_millis() < 1500, "it waits for nobody: {waited:?}");
    }
}

/// A store whose appends wait for a word.
struct Gated {
    inner: MemoryStore,
    is_there: Sender<()>,
    word: Mutex<Receiver<()>>,
}

impl Layer for Gated {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.is_there.send(()).unwrap();
        // Without it, the test is over.
        let _ = self.word.lock().unwrap().recv();
        self.inner.append(append).await
    }
}

#[test]
fn a_process_that_stood_still_too_long_begins_anew() {
    let shards: [MemoryStore; 2] = Default::default();
    let (is_there, arrived) = channel();
    let (say, word) = channel();
    let [streams, apart] = shards.clone();
    let gated = Gated {
        inner: streams,
        is_there,
        word: Mutex::new(word),
    };
    let slow =
        ShardedStore::with_entries_apart(DynStore::new(Layered::new(gated)), DynStore::new(apart));
    let slow = thread::spawn(move || {
        let one = to("order-1", 1).with_entries(change("a", None, "slow"));
        append(&slow, one)
    });
    arrived.recv().unwrap();
    // Another finds its locks, waits, and takes them.
    let other = to("order-2", 2).with_entries(change("a", None, "other"));
    append(&immortal(&shards), other).unwrap();
    drop(say);
    match slow.join().unwrap() {
        Err(AppendError::EntryChanged { key }) => assert_eq!(key, b"a"),
        answer => panic!("{answer:?}"),
    }
    let store = immortal(&shards);
    assert!(numbers(&store, "order-1").is_empty());
    assert_eq!(block_on(entry(&store, b"a")).unwrap(), b"other");
}

/// Every event has the number that a counter among the entries had then.
#[test]
fn a_counter_and_events_in_all_shards_agree_whatever_processes_do() {
    let shards: [MemoryStore; 4] = Default::default();
    let seed = fastrand::u64(..);
    let store = block_on(ShardedStore::open(shards.clone())).unwrap();
    thread::scope(|scope| {
        for process in 0..4_u64 {
            let shards = shards.clone();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ process);
                let mut counted = 0;
                while counted < 60 {
                    counted += count_until_the_end(&shards, &mut random);
                }
            });
        }
    });
    let streams = (0..16).map(|number| format!("order-{number}"));
    let mut seen: Vec<u64> = streams.flat_map(|name| numbers(&store, &name)).collect();
    seen.sort_unstable();
    let counter = block_on(entry(&store, b"counter")).unwrap();
    let counter: u64 = String::from_utf8(counter).unwrap().parse().unwrap();
    assert!(counter >= 240);
    assert_eq!(seen, (1..=counter).collect::<Vec<_>>(), "seed {seed}");
}

/// Counts in a process that ends at one of its writes; returns how often it has.
fn count_until_the_end(shards: &[MemoryStore; 4], random: &mut fastrand::Rng) -> u64 {
    let left = Arc::new(AtomicI64::new(random.i64(5..60)));
    let is_done = random.bool();
    let shards = shards.clone().map(|inner| {
        let left = Arc::clone(&left);
        Layered::new(Mortal {
            inner,
            left,
            is_done,
        })
    });
    let Ok(store) = block_on(ShardedStore::open(shards)) else {
        return 0;
    };
    let mut counted = 0;
    while left.load(Ordering::SeqCst) > 0 {
        let Ok(found) = block_on(try_entry(&store)) else {
            break;
        };
        let next = found.map_or(1, |number| number + 1);
        let name = format!("order-{}", random.u32(0..16));
        let before = found.map(|number| number.to_string());
        let counter = change("counter", before.as_deref(), &next.to_string());
        match append(&store, to(&name, next).with_entries(counter)) {
            Ok(_) => counted += 1,
            Err(AppendError::EntryChanged { .. } | AppendError::Store(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    counted
}

async fn try_entry(store: &impl Store) -> Result<Option<u64>, StoreError> {
    let mut number = None;
    let each = &mut |_: &[u8], found: &[u8]| {
        number = std::str::from_utf8(found).unwrap().parse().ok();
        std::ops::ControlFlow::Break(())
    };
    let read = midgard::store::ReadEntries::key(b"counter");
    store.read_entries(&read, each).await?;
    Ok(number)
}
