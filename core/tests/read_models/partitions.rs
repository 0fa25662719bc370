//! Several workers of one name: the work is shared, each stream keeps its order, and nobody is missed for long.

use super::kit::{Counted, Gate, LONG, Running, SAFE_LEASE, Seen, count, start, until_shared};
use event_listener::Event as Notify;
use futures_timer::Delay;
use futures_util::future::{AbortHandle, abortable};
use midgard::consumer::{ConsumerState, FailurePolicy, RunError, Status};
use midgard::{MemoryStore, Midgard, MidgardHandle, Place, StartFrom, Subscription, block_on};
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Short, where somebody is to be found dead.
const LEASE: Duration = Duration::from_millis(90);
/// Long enough for a busy machine, and so short that somebody who is at an event looks at the leases soon.
const MODERATE_LEASE: Duration = Duration::from_secs(6);
/// The lease of those that wait for an answer of one with the short lease, which looks for their questions all the time.
const PATIENCE: Duration = Duration::from_secs(2);

type SeenByStream = Arc<Mutex<HashMap<String, Vec<u64>>>>;

fn shared(partitions: u32, lease: Duration) -> Subscription<Counted> {
    let shared = Subscription::events("shared", StartFrom::Start);
    shared.partitions(partitions).lease(lease)
}

fn worker(
    store: &MemoryStore,
    shared: Subscription<Counted>,
    seen: &SeenByStream,
) -> Midgard<MemoryStore> {
    let seen = seen.clone();
    Midgard::new(store.clone()).subscribe(shared, move |delivery| {
        let stream = delivery.recorded.stream.to_string();
        let mut seen = seen.lock().unwrap();
        seen.entry(stream).or_default().push(delivery.event.number);
        ready(Ok(()))
    })
}

fn owned(handle: &MidgardHandle) -> u32 {
    handle.status()[0].partitions
}

fn until(handle: &MidgardHandle, is_wanted: impl Fn(&Status) -> bool + Send) {
    block_on(handle.wait_until("shared", LONG, is_wanted)).unwrap();
}

/// A program that can be made to end as if it were killed: without a word.
struct Mortal {
    handle: MidgardHandle,
    abort: AbortHandle,
    thread: thread::JoinHandle<()>,
}

fn start_mortal(midgard: Midgard<MemoryStore>) -> Mortal {
    let handle = midgard.handle();
    let (run, abort) = abortable(midgard.run());
    let thread = thread::spawn(|| {
        block_on(run).unwrap_err();
    });
    Mortal {
        handle,
        abort,
        thread,
    }
}

impl Mortal {
    /// Kills it; it does nothing more after that.
    fn kill(self) {
        self.abort.abort();
        self.thread.join().unwrap();
    }
}

#[test]
fn workers_share_the_streams_and_keep_the_order_of_each() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let workers: Vec<Running> = (0..3)
        .map(|_| start(worker(&store, shared(9, SAFE_LEASE), &seen)))
        .collect();
    let handles: Vec<_> = workers.iter().map(|worker| &worker.handle).collect();
    until_shared(&handles, |status| status.partitions == 3);
    let mut last = None;
    for number in 1..=200 {
        for stream in 1..=20 {
            last = Some(count(&store, &format!("a-{stream}"), [number]));
        }
    }
    for worker in &workers {
        worker.wait("shared", last.unwrap());
    }
    for stream in 1..=20 {
        let seen = seen.lock().unwrap();
        let numbers = &seen[&format!("a-{stream}")];
        assert_eq!(*numbers, (1..=200).collect::<Vec<_>>(), "{stream}");
    }
    assert_eq!(workers.iter().map(|one| owned(&one.handle)).sum::<u32>(), 9);
    for worker in workers {
        worker.stop().unwrap();
    }
}

#[test]
fn a_worker_that_stops_hands_over_at_once() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let patient = || worker(&store, shared(1, SAFE_LEASE), &seen);
    let last = count(&store, "a", 0..10);
    let first = start(patient());
    first.wait("shared", last);
    first.stop().unwrap();
    let second = start(patient());
    let last = count(&store, "a", 10..20);
    second.wait("shared", last);
    second.stop().unwrap();
    assert_eq!(seen.lock().unwrap()["a"], (0..20).collect::<Vec<_>>());
}

#[test]
fn one_in_standby_takes_over_at_once_from_a_worker_that_stops() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let patient = || worker(&store, shared(1, SAFE_LEASE), &seen);
    let first = start(patient());
    until(&first.handle, |status| status.partitions == 1);
    let second = start(patient());
    until(&second.handle, |status| {
        status.state == ConsumerState::Standby
    });
    let last = count(&store, "a", 0..10);
    first.wait("shared", last);
    first.stop().unwrap();
    let last = count(&store, "a", 10..20);
    second.wait("shared", last);
    second.stop().unwrap();
    assert_eq!(seen.lock().unwrap()["a"], (0..20).collect::<Vec<_>>());
}

#[test]
fn what_a_dead_worker_had_is_taken_over_and_each_event_comes_at_least_once() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let dying = [(); 2].map(|()| start_mortal(worker(&store, shared(4, SAFE_LEASE), &seen)));
    let handles = dying.each_ref().map(|dying| &dying.handle);
    until_shared(&handles, |status| status.partitions == 2);
    for stream in 0..12 {
        count(&store, &format!("a-{stream}"), 0..50);
    }
    for dying in dying {
        dying.kill();
    }
    let mut last = None;
    for stream in 0..12 {
        last = Some(count(&store, &format!("a-{stream}"), 50..100));
    }
    let heir = start(worker(&store, shared(4, LEASE), &seen));
    until(&heir.handle, |status| status.partitions == 4);
    heir.wait("shared", last.unwrap());
    heir.stop().unwrap();
    for (stream, numbers) in seen.lock().unwrap().iter() {
        let mut once = numbers.clone();
        once.dedup();
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>(), "{stream}");
        // Where the heir began again, it went on in order from there.
        let falls = once.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!(falls <= 1, "{stream}: {numbers:?}");
    }
}

#[test]
fn one_partition_has_one_worker_and_others_stand_by() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let first = start_mortal(worker(&store, shared(1, SAFE_LEASE), &seen));
    until(&first.handle, |status| status.partitions == 1);
    let second = start(worker(&store, shared(1, SAFE_LEASE), &seen));
    until(&second.handle, |status| {
        status.state == ConsumerState::Standby
    });
    let last = count(&store, "a", 0..10);
    second.wait("shared", last);
    assert_eq!(owned(&second.handle), 0, "what others have handled counts");
    first.kill();
    let last = count(&store, "a", 10..20);
    let third = start(worker(&store, shared(1, LEASE), &seen));
    until(&third.handle, |status| status.partitions == 1);
    second.wait("shared", last);
    second.stop().unwrap();
    third.stop().unwrap();
    let mut numbers = seen.lock().unwrap()["a"].clone();
    numbers.dedup();
    assert_eq!(numbers[numbers.len() - 10..], (10..20).collect::<Vec<_>>());
}

#[test]
fn a_handler_that_takes_longer_than_the_lease_keeps_it() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let slow = |lease| {
        let seen = seen.clone();
        Midgard::new(store.clone()).subscribe(shared(1, lease), move |delivery| {
            let seen = seen.clone();
            async move {
                seen.note(delivery.event.number);
                Delay::new(PATIENCE * 3 / 2).await;
                Ok(())
            }
        })
    };
    let last = count(&store, "a", [0]);
    let first = start(slow(LEASE));
    until(&first.handle, |status| status.handling.is_some());
    let second = start(slow(PATIENCE));
    first.wait("shared", last);
    assert_eq!(seen.all(), [0], "nobody else was called meanwhile");
    until(&second.handle, |status| {
        status.state == ConsumerState::Standby
    });
    first.stop().unwrap();
    second.stop().unwrap();
}

#[test]
fn what_fails_at_a_worker_that_was_replaced_meanwhile_is_not_parked() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let last = count(&store, "a", [0]);
    let parking = || shared(1, LEASE).on_failure(FailurePolicy::retry(0).then_park());
    let gate = Gate::default();
    let closed = gate.clone();
    let replaced = Midgard::new(store.clone()).subscribe(parking(), move |_| {
        let closed = closed.clone();
        async move {
            // Nothing of this worker goes on meanwhile: it does not answer for its lease.
            closed.pass();
            // It has a look at its lease before the handler ends.
            Delay::new(LEASE).await;
            Err("too late".into())
        }
    });
    let replaced = start(replaced);
    gate.wait_until_reached();
    let noted = seen.clone();
    let other = Midgard::new(store).subscribe(parking(), move |delivery| {
        noted.note(delivery.event.number);
        ready(Ok(()))
    });
    let other = start(other);
    other.wait("shared", last);
    gate.open();
    until(&replaced.handle, |status| {
        status.state == ConsumerState::Standby
    });
    assert_eq!(seen.all(), [0]);
    assert_eq!(block_on(other.handle.dead_letters("shared")).unwrap(), []);
    replaced.stop().unwrap();
    other.stop().unwrap();
}

#[test]
fn nothing_is_lost_while_partitions_change_hands_in_the_middle_of_handlers() {
    let store = MemoryStore::new();
    let mut last = None;
    for number in 0..3 {
        for stream in 0..24 {
            last = Some(count(&store, &format!("a-{stream}"), [number]));
        }
    }
    let seen = SeenByStream::default();
    let worker = || {
        let seen = seen.clone();
        // Longer than the time between two looks at the leases.
        let slow = shared(12, LEASE);
        start(
            Midgard::new(store.clone()).subscribe(slow, move |delivery| {
                let seen = seen.clone();
                async move {
                    Delay::new(LEASE / 2).await;
                    let stream = delivery.recorded.stream.to_string();
                    let mut seen = seen.lock().unwrap();
                    seen.entry(stream).or_default().push(delivery.event.number);
                    Ok(())
                }
            }),
        )
    };
    let workers = [worker(), worker(), worker(), worker()];
    for worker in &workers {
        worker.wait("shared", last.unwrap());
    }
    for stream in 0..24 {
        let mut numbers = seen.lock().unwrap()[&format!("a-{stream}")].clone();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, [0, 1, 2], "a-{stream}");
    }
    for worker in workers {
        let status = &worker.handle.status()[0];
        assert_eq!(status.last_error, None, "to be slower is no failure");
        worker.stop().unwrap();
    }
}

#[test]
fn workers_that_are_stopped_together_leave_nothing_to_be_done_again() {
    for _ in 0..8 {
        let (store, seen) = (MemoryStore::new(), SeenByStream::default());
        let workers: Vec<_> = (0..4)
            .map(|_| start(worker(&store, shared(4, SAFE_LEASE), &seen)))
            .collect();
        let handles: Vec<_> = workers.iter().map(|one| &one.handle).collect();
        until_shared(&handles, |status| status.partitions == 1);
        for number in 0..20 {
            count(&store, &format!("a-{number}"), [number]);
        }
        let last = count(&store, "last", [20]);
        for one in &workers {
            until(&one.handle, |status| status.place >= Place::main(last));
        }
        for one in &workers {
            one.handle.stop();
        }
        for one in workers {
            one.stop().unwrap();
        }
        block_on(worker(&store, shared(4, SAFE_LEASE), &seen).catch_up()).unwrap();
        let seen = seen.lock().unwrap();
        assert!(seen.values().all(|numbers| numbers.len() == 1), "{seen:?}");
    }
}

#[test]
fn a_catch_up_waits_for_what_a_dead_worker_owned_and_handles_it() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let dying = start_mortal(worker(&store, shared(4, LEASE), &seen));
    until(&dying.handle, |status| status.partitions == 4);
    let other = start(worker(&store, shared(4, LEASE), &seen));
    until(&other.handle, |status| status.partitions == 2);
    dying.kill();
    for number in 0..40 {
        count(&store, &format!("a-{number}"), [number]);
    }
    other.drain().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(seen.values().map(Vec::len).sum::<usize>(), 40);
}

#[test]
fn a_sequence_may_be_something_else_than_the_stream() {
    let store = MemoryStore::new();
    for number in 0..400 {
        count(&store, &format!("a-{number}"), [number]);
    }
    let seen = Arc::<Mutex<HashMap<u64, Vec<u64>>>>::default();
    let worker = || {
        let seen = seen.clone();
        let by_tens = shared(4, SAFE_LEASE).sequence_by(|event| {
            let number: u64 = event.stream[2..].parse().unwrap();
            Cow::Owned((number / 10).to_string())
        });
        Midgard::new(store.clone()).subscribe(by_tens, move |delivery| {
            let number = delivery.event.number;
            let mut seen = seen.lock().unwrap();
            seen.entry(number / 10).or_default().push(number);
            ready(Ok(()))
        })
    };
    let workers = [start(worker()), start(worker())];
    for worker in workers {
        worker.drain().unwrap();
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 40);
    for (tens, numbers) in seen.iter() {
        assert_eq!(*numbers, (tens * 10..tens * 10 + 10).collect::<Vec<_>>());
    }
}

#[test]
fn the_number_of_partitions_is_kept() {
    let store = MemoryStore::new();
    let run = |partitions| {
        let midgard = worker(&store, shared(partitions, LEASE), &SeenByStream::default());
        block_on(midgard.catch_up())
    };
    count(&store, "a", [1]);
    run(4).unwrap();
    for partitions in [0, 8, 1025] {
        let error = run(partitions).unwrap_err();
        assert!(matches!(error, RunError::Partitions { .. }), "{error}");
    }
    // In a program that goes on, the status says so.
    let midgard = worker(&store, shared(8, LEASE), &SeenByStream::default());
    let running = start(midgard);
    until(&running.handle, |status| {
        status.state == ConsumerState::Failed
    });
    let error = running.handle.status()[0].last_error.clone().unwrap();
    assert!(error.message.contains("begun with 4"), "{error:?}");
    running.stop().unwrap_err();
    let changed = run(8).unwrap_err().to_string();
    assert!(changed.contains("begun with 4"), "{changed}");
}

#[test]
fn the_status_says_how_many_partitions_nobody_handles() {
    let (store, seen) = (MemoryStore::new(), SeenByStream::default());
    let first = start(worker(&store, shared(2, MODERATE_LEASE), &seen));
    until(&first.handle, |status| status.partitions == 2);
    let (is_open, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
    let gate = (is_open.clone(), opened.clone());
    let busy = shared(2, MODERATE_LEASE);
    let busy = Midgard::new(store.clone()).subscribe(busy, move |_| {
        let (is_open, opened) = gate.clone();
        async move {
            loop {
                let opened = opened.listen();
                if is_open.load(Ordering::SeqCst) {
                    return Ok(());
                }
                opened.await;
            }
        }
    });
    let second = start(busy);
    until_shared(&[&first.handle, &second.handle], |status| {
        status.partitions == 1
    });
    for stream in 0..12 {
        count(&store, &format!("stream-{stream}"), [stream]);
    }
    until(&second.handle, |status| status.handling.is_some());
    first.stop().unwrap();
    // While its handler is at an event, the other takes nothing.
    until(&second.handle, |status| status.unowned_partitions == 1);
    let status = second.handle.status_of("shared").unwrap().to_string();
    assert!(
        status.contains(", 1 partition without an owner"),
        "{status}"
    );
    is_open.store(true, Ordering::SeqCst);
    opened.notify(usize::MAX);
    until(&second.handle, |status| {
        (status.partitions, status.unowned_partitions) == (2, 0)
    });
    second.stop().unwrap();
}
