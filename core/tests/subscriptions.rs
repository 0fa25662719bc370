//! Subscriptions: every event, in order, at least once; from where they were, and by one worker each.

use midgard::{
    Append, ConsumerState, Delivery, Event, ExpectedVersion, FailurePolicy, HandlerError,
    MemoryStore, Midgard, MidgardHandle, NewEvent, Position, RunError, StartFrom, Store,
    StreamName, Subscription, block_on,
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "counted")]
struct Counted {
    number: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "ignored")]
struct Ignored {}

const LONG: Duration = Duration::from_secs(20);

fn append(store: &MemoryStore, stream: &str, numbers: impl IntoIterator<Item = u64>) -> Position {
    let encode = |number| NewEvent::encode(&Counted { number }).unwrap();
    let events: Vec<_> = numbers.into_iter().map(encode).collect();
    let append = Append::to(
        StreamName::new(stream).unwrap(),
        ExpectedVersion::Any,
        events,
    );
    block_on(store.append(append)).unwrap().position.unwrap()
}

type Seen = Arc<Mutex<Vec<u64>>>;

fn collect(
    seen: &Seen,
) -> impl Fn(Delivery<Counted>) -> std::future::Ready<Result<(), HandlerError>> + use<> {
    let seen = seen.clone();
    move |delivery| {
        seen.lock().unwrap().push(delivery.event.number);
        std::future::ready(Ok(()))
    }
}

fn start(
    midgard: Midgard<MemoryStore>,
) -> (MidgardHandle, thread::JoinHandle<Result<(), RunError>>) {
    let handle = midgard.handle();
    (handle, thread::spawn(|| block_on(midgard.run())))
}

fn wait(handle: &MidgardHandle, name: &str, position: Position) {
    block_on(handle.wait_for(name, position, LONG)).unwrap();
}

#[test]
fn what_was_appended_before_and_after_the_start_arrives_once_and_in_order() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    append(&store, "a", 0..500);
    let subscription = Subscription::events("all");
    let (handle, running) =
        start(Midgard::new(store.clone()).subscribe(subscription, collect(&seen)));
    let mut last = Position::ZERO;
    for number in 500..700 {
        last = append(&store, if number % 2 == 0 { "a" } else { "b" }, [number]);
    }
    wait(&handle, "all", last);
    assert_eq!(*seen.lock().unwrap(), (0..700).collect::<Vec<_>>());
    handle.stop();
    running.join().unwrap().unwrap();
    assert_eq!(handle.status()[0].state, ConsumerState::Stopped);
}

#[test]
fn it_goes_on_where_it_was_when_it_is_run_again() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    for round in 0..3 {
        append(&store, "a", round * 10..(round + 1) * 10);
        let subscription = Subscription::events("again");
        let midgard = Midgard::new(store.clone()).subscribe(subscription, collect(&seen));
        block_on(midgard.catch_up()).unwrap();
    }
    let nothing = Subscription::events("again");
    block_on(
        Midgard::new(store)
            .subscribe(nothing, collect(&seen))
            .catch_up(),
    )
    .unwrap();
    assert_eq!(*seen.lock().unwrap(), (0..30).collect::<Vec<_>>());
}

#[test]
fn it_begins_where_it_is_told_to_the_first_time_only() {
    let store = MemoryStore::new();
    append(&store, "a", 0..10);
    for (name, start, expected) in [
        ("start", StartFrom::Start, 0..12),
        ("after", StartFrom::After(Position(4)), 4..12),
        ("end", StartFrom::End, 10..12),
    ] {
        let seen = Seen::default();
        let store = MemoryStore::new();
        append(&store, "a", 0..10);
        for round in 0..2 {
            let subscription = Subscription::events(name).from(start);
            let midgard = Midgard::new(store.clone()).subscribe(subscription, collect(&seen));
            block_on(midgard.catch_up()).unwrap();
            if round == 0 {
                append(&store, "a", 10..12);
            }
        }
        assert_eq!(
            *seen.lock().unwrap(),
            expected.collect::<Vec<_>>(),
            "{name}"
        );
    }
}

#[test]
fn a_failed_event_is_tried_again_and_then_all_stops_before_it() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    append(&store, "a", 0..5);
    let policy = FailurePolicy::retry(2).first_after(Duration::from_millis(1));
    let subscription = || Subscription::<Counted>::events("stops").on_failure(policy.clone());
    let tries = Arc::new(Mutex::new(Vec::new()));
    let (noted, taken) = (tries.clone(), seen.clone());
    let failing = move |delivery: Delivery<Counted>| {
        let bad = delivery.event.number == 3;
        if bad {
            noted.lock().unwrap().push(delivery.failures);
        } else {
            taken.lock().unwrap().push(delivery.event.number);
        }
        async move {
            if bad {
                Err("no mail today".into())
            } else {
                Ok(())
            }
        }
    };
    let midgard = Midgard::new(store.clone()).subscribe(subscription(), failing);
    let handle = midgard.handle();
    let error = block_on(midgard.catch_up()).unwrap_err();
    assert!(
        matches!(
            &error,
            RunError::Failed {
                position: Position(4),
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("no mail today"), "{error}");
    assert_eq!(*tries.lock().unwrap(), [0, 1, 2]);
    let last = handle.status()[0].last_error.clone().unwrap();
    assert_eq!(last.position, Some(Position(4)));
    let midgard = Midgard::new(store).subscribe(subscription(), collect(&seen));
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_panic_is_a_failure_like_any_other() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    append(&store, "a", 0..3);
    let policy = FailurePolicy::retry(3).first_after(Duration::from_millis(1));
    let subscription = Subscription::<Counted>::events("panics").on_failure(policy);
    let taken = seen.clone();
    let midgard = Midgard::new(store).subscribe(subscription, move |delivery| {
        let taken = taken.clone();
        async move {
            assert!(
                delivery.event.number != 1 || delivery.failures == 2,
                "on purpose"
            );
            taken.lock().unwrap().push(delivery.event.number);
            Ok(())
        }
    });
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
    let message = handle.status()[0].last_error.clone().unwrap().message;
    assert!(message.contains("on purpose"), "{message}");
}

#[test]
fn a_skipped_event_is_passed_over_and_a_parked_one_takes_its_stream_along() {
    for (policy, expected) in [
        (FailurePolicy::retry(0).then_skip(), vec![0, 10, 2, 11]),
        (FailurePolicy::retry(0).then_park(), vec![0, 10, 11]),
    ] {
        let (store, seen) = (MemoryStore::new(), Seen::default());
        for (stream, number) in [("a", 0), ("b", 10), ("a", 1), ("a", 2), ("b", 11)] {
            append(&store, stream, [number]);
        }
        let taken = seen.clone();
        let subscription = Subscription::<Counted>::events("poison").on_failure(policy);
        let midgard = Midgard::new(store).subscribe(subscription, move |delivery| {
            let number = delivery.event.number;
            if number != 1 {
                taken.lock().unwrap().push(number);
            }
            async move {
                if number == 1 {
                    Err("poison".into())
                } else {
                    Ok(())
                }
            }
        });
        block_on(midgard.catch_up()).unwrap();
        assert_eq!(*seen.lock().unwrap(), expected);
    }
}

#[test]
fn workers_of_one_name_share_the_streams_and_keep_the_order_of_each() {
    let store = MemoryStore::new();
    let seen: Arc<Mutex<HashMap<String, Vec<u64>>>> = Arc::default();
    let worker = || {
        let seen = seen.clone();
        let subscription = Subscription::<Counted>::events("shared")
            .partitions(8)
            .lease(Duration::from_millis(60));
        start(
            Midgard::new(store.clone()).subscribe(subscription, move |delivery| {
                let stream = delivery.recorded.stream.to_string();
                seen.lock()
                    .unwrap()
                    .entry(stream)
                    .or_default()
                    .push(delivery.event.number);
                async { Ok(()) }
            }),
        )
    };
    let workers = [worker(), worker(), worker()];
    let owned = || {
        let all = workers
            .iter()
            .map(|(handle, _)| handle.status()[0].partitions);
        all.collect::<Vec<_>>()
    };
    let mut rounds = 0;
    while owned().iter().any(|owned| *owned < 2) || owned().iter().sum::<u32>() != 8 {
        rounds += 1;
        append(&store, "a-0", [rounds]);
        assert!(rounds < 2_000, "the work was not shared: {:?}", owned());
        thread::sleep(Duration::from_millis(5));
    }
    let mut last = Position::ZERO;
    for number in 1..=200 {
        for stream in 1..=20 {
            last = append(&store, &format!("a-{stream}"), [number]);
        }
    }
    for (handle, _) in &workers {
        wait(handle, "shared", last);
    }
    let seen = seen.lock().unwrap();
    for stream in 1..=20 {
        assert_eq!(
            seen[&format!("a-{stream}")],
            (1..=200).collect::<Vec<_>>(),
            "{stream}"
        );
    }
    for (handle, running) in workers {
        handle.stop();
        running.join().unwrap().unwrap();
    }
}

#[test]
fn names_and_partitions_that_cannot_be_are_refused() {
    let store = MemoryStore::new();
    append(&store, "a", [1]);
    let run = |subscriptions: Vec<Subscription<Counted>>| {
        let mut midgard = Midgard::new(store.clone());
        for subscription in subscriptions {
            midgard = midgard.subscribe(subscription, |_| async { Ok(()) });
        }
        block_on(midgard.catch_up())
    };
    for name in ["", "a/b"] {
        let error = run(vec![Subscription::events(name)]).unwrap_err();
        assert!(matches!(error, RunError::Name { .. }), "{error}");
    }
    let twice = run(vec![
        Subscription::events("one"),
        Subscription::events("one"),
    ]);
    assert!(matches!(twice, Err(RunError::DuplicateName { .. })));
    run(vec![Subscription::events("p").partitions(4)]).unwrap();
    let changed = run(vec![Subscription::events("p").partitions(8)]).unwrap_err();
    assert!(changed.to_string().contains("begun with 4"), "{changed}");
}

#[test]
fn events_of_no_concern_move_it_on_too() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let (handle, running) = start(
        Midgard::new(store.clone()).subscribe(Subscription::events("filtered"), collect(&seen)),
    );
    let ignored = NewEvent::encode(&Ignored {}).unwrap();
    let append = Append::to(
        StreamName::new("a").unwrap(),
        ExpectedVersion::Any,
        [ignored],
    );
    let position = block_on(store.append(append)).unwrap().position.unwrap();
    wait(&handle, "filtered", position);
    assert!(seen.lock().unwrap().is_empty());
    handle.stop();
    running.join().unwrap().unwrap();
}
