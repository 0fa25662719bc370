//! Every event, in order, at least once; from where it was; of which events.

use super::kit::{Counted, Ignored, Seen, append_all, append_event, count, start};
use futures_util::FutureExt as _;
use midgard::consumer::{ConsumerState, RunError};
use midgard::event::{NewEvent, Registry};
use midgard::store::{Query, QueryItem, ReadLog};
use midgard::{
    Aggregate, Apply, Delivery, Event, EventSet, HandlerError, MemoryStore, Metadata, Midgard,
    Place, Position, StartFrom, Store, Subscription, Timestamp, block_on,
};
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

fn catch_up(store: &MemoryStore, subscription: Subscription<Counted>, seen: &Seen) {
    let midgard = Midgard::new(store.clone()).subscribe(subscription, seen.collect());
    block_on(midgard.catch_up()).unwrap();
}

#[test]
fn each_event_is_delivered_once_in_sequence_order_from_every_stream_before_and_after_the_start() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..500);
    let all = Subscription::events("all", StartFrom::Start);
    let running = start(Midgard::new(store.clone()).subscribe(all, seen.collect()));
    let mut last = Position::ZERO;
    for number in 500..700 {
        last = count(&store, if number % 2 == 0 { "a" } else { "b" }, [number]);
    }
    running.wait("all", last);
    assert_eq!(seen.all(), (0..700).collect::<Vec<_>>());
    let handle = running.handle.clone();
    running.stop().unwrap();
    assert_eq!(handle.status()[0].state, ConsumerState::Stopped);
}

#[test]
fn there_is_no_gap_and_no_repeat_where_catching_up_ends_while_others_append() {
    for _ in 0..10 {
        let (store, seen) = (MemoryStore::new(), Seen::default());
        let writer = thread::spawn({
            let store = store.clone();
            move || {
                for number in 0..999 {
                    count(&store, "a", [number]);
                }
                count(&store, "a", [999])
            }
        });
        let all = Subscription::events("all", StartFrom::Start);
        let running = start(Midgard::new(store).subscribe(all, seen.collect()));
        let last = writer.join().unwrap();
        running.wait("all", last);
        assert_eq!(seen.all(), (0..1_000).collect::<Vec<_>>());
        running.stop().unwrap();
    }
}

#[test]
fn the_events_arrive_with_their_data_intact() {
    let store = MemoryStore::new();
    let event = NewEvent::encode(&Counted { number: 7 }).unwrap();
    let metadata = Metadata::new().with_header("by", "ann");
    append_all(&store, "a", [event.with_metadata(metadata)]);
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let taken = recorded.clone();
    let all = Subscription::<Counted>::events("all", StartFrom::Start);
    let midgard = Midgard::new(store.clone()).subscribe(all, move |delivery| {
        assert_eq!(delivery.event, Counted { number: 7 });
        taken.lock().unwrap().push(delivery.recorded);
        ready(Ok(()))
    });
    block_on(midgard.catch_up()).unwrap();
    let mut stored = Vec::new();
    block_on(store.read_log(&ReadLog::forward(), &mut |event| {
        stored.push(event.to_owned());
        ControlFlow::Continue(())
    }))
    .unwrap();
    assert_eq!(*recorded.lock().unwrap(), stored);
    assert_eq!(stored[0].metadata.headers().get("by"), Some("ann"));
    assert!(stored[0].time <= Timestamp::now());
}

#[test]
fn it_goes_on_where_it_was_when_it_is_run_again() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    for round in 0..3 {
        count(&store, "a", round * 10..(round + 1) * 10);
        catch_up(
            &store,
            Subscription::events("again", StartFrom::Start),
            &seen,
        );
    }
    catch_up(
        &store,
        Subscription::events("again", StartFrom::Start),
        &seen,
    );
    assert_eq!(seen.all(), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_stop_in_the_middle_loses_nothing_and_repeats_nothing() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..100);
    let mut stops = 0;
    while seen.all().len() < 100 {
        let midgard = Midgard::new(store.clone());
        let handle = midgard.handle();
        let (noted, until) = (seen.clone(), seen.all().len() + 7);
        let midgard = midgard.subscribe(
            Subscription::<Counted>::events("all", StartFrom::Start),
            move |delivery| {
                noted.note(delivery.event.number);
                if noted.all().len() == until {
                    handle.stop();
                }
                ready(Ok(()))
            },
        );
        if until > 100 {
            block_on(midgard.catch_up()).unwrap();
        } else {
            block_on(midgard.run()).unwrap();
            assert_eq!(
                seen.all().len(),
                until,
                "it ends with the event that it is at"
            );
            stops += 1;
        }
    }
    assert_eq!(seen.all(), (0..100).collect::<Vec<_>>());
    assert_eq!(stops, 14);
}

#[test]
fn it_begins_where_it_is_told_to_the_first_time_only() {
    for (start, expected) in [
        (StartFrom::Start, 0..12),
        (StartFrom::After(Place::main(Position(4))), 4..12),
        (StartFrom::End, 10..12),
    ] {
        let (store, seen) = (MemoryStore::new(), Seen::default());
        count(&store, "a", 0..10);
        catch_up(&store, Subscription::events("one", start), &seen);
        count(&store, "a", 10..12);
        catch_up(&store, Subscription::events("one", start), &seen);
        assert_eq!(seen.all(), expected.collect::<Vec<_>>(), "{start:?}");
    }
}

#[test]
fn events_of_no_concern_move_it_on_too() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    let filtered = Subscription::events("filtered", StartFrom::Start);
    let running = start(Midgard::new(store.clone()).subscribe(filtered, seen.collect()));
    let position = append_event(&store, "a", &Ignored {});
    running.wait("filtered", position);
    assert!(seen.all().is_empty());
    running.stop().unwrap();
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "tagged")]
struct Tagged {
    number: u64,
    #[event(tag = "customer")]
    customer: String,
}

#[derive(Debug, Clone, EventSet)]
enum Both {
    Counted(Counted),
    Tagged(Tagged),
}

fn tagged(store: &MemoryStore, number: u64, customer: &str) {
    let customer = customer.to_owned();
    append_event(store, "a", &Tagged { number, customer });
}

#[test]
fn it_may_be_of_a_set_of_events_or_of_a_query() {
    let store = MemoryStore::new();
    count(&store, "a", [1]);
    tagged(&store, 2, "ann");
    append_event(&store, "a", &Ignored {});
    tagged(&store, 3, "bob");
    let (of_set, of_query) = (Seen::default(), Seen::default());
    let (set, query) = (of_set.clone(), of_query.clone());
    let of_ann = Query::from(QueryItem::new().tag("customer:ann"));
    let midgard = Midgard::new(store)
        .subscribe(
            Subscription::<Both>::events("set", StartFrom::Start),
            move |delivery| {
                set.note(match delivery.event {
                    Both::Counted(event) => event.number,
                    Both::Tagged(event) => event.number,
                });
                ready(Ok(()))
            },
        )
        .subscribe(
            Subscription::<Tagged>::events("query", StartFrom::Start).matching(of_ann),
            move |delivery| {
                query.note(delivery.event.number);
                ready(Ok(()))
            },
        );
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(of_set.all(), [1, 2, 3]);
    assert_eq!(of_query.all(), [2]);
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "counter", id = u64, events(Counted))]
struct Counter {}

impl Apply<Counted> for Counter {
    fn apply(&mut self, _: Counted) {}
}

#[test]
fn it_may_be_of_one_aggregate_type() {
    let store = MemoryStore::new();
    for (stream, number) in [
        ("counter-7", 1),
        ("meter-7", 2),
        ("counters-7", 3),
        ("counter-8", 4),
    ] {
        count(&store, stream, [number]);
    }
    let seen = Seen::default();
    let noted = seen.clone();
    let of_counters = Subscription::aggregate::<Counter>("counters", StartFrom::Start);
    let midgard = Midgard::new(store).subscribe(of_counters, move |delivery| {
        let CounterEvent::Counted(event) = delivery.event;
        noted.note(event.number);
        ready(Ok(()))
    });
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [1, 4]);
}

#[test]
fn it_may_be_of_everything_that_the_program_knows() {
    let store = MemoryStore::new();
    count(&store, "a", [1]);
    append_event(&store, "b", &Ignored {});
    let names = Arc::new(Mutex::new(Vec::new()));
    for (name, subscription) in [
        (
            "linked",
            Subscription::any("linked", StartFrom::Start).unwrap(),
        ),
        (
            "named",
            Subscription::any_of(
                "named",
                StartFrom::Start,
                Registry::new().with::<Both>().unwrap(),
            ),
        ),
    ] {
        let noted = names.clone();
        let midgard = Midgard::new(store.clone()).subscribe(subscription, move |delivery| {
            let event = delivery.event.descriptor().name;
            noted.lock().unwrap().push((name, event));
            ready(Ok(()))
        });
        let ended = block_on(midgard.catch_up());
        // An event that nobody knows is never passed over.
        assert_eq!(ended.is_err(), name == "named");
        if let Err(error) = ended {
            assert!(
                matches!(error, RunError::Failed { place, .. } if place == Some(Place::main(Position(2)))),
                "{error}"
            );
        }
    }
    assert_eq!(
        *names.lock().unwrap(),
        [
            ("linked", "counted"),
            ("linked", "ignored"),
            ("named", "counted")
        ]
    );
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "measured")]
struct MeasuredV1 {
    metres: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "measured", version = 2, upcast_from = MeasuredV1)]
struct Measured {
    millimetres: u64,
}

impl From<MeasuredV1> for Measured {
    fn from(old: MeasuredV1) -> Self {
        Measured {
            millimetres: old.metres * 1_000,
        }
    }
}

#[test]
fn an_event_arrives_in_the_newest_version() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    append_event(&store, "a", &MeasuredV1 { metres: 2 });
    append_event(&store, "a", &Measured { millimetres: 5 });
    let noted = seen.clone();
    let midgard = Midgard::new(store).subscribe(
        Subscription::<Measured>::events("measured", StartFrom::Start),
        move |delivery: Delivery<Measured>| {
            noted.note(delivery.event.millimetres);
            ready(Ok(()))
        },
    );
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(seen.all(), [2_000, 5]);
}

#[test]
fn a_handler_that_waits_holds_back_what_is_read() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..10);
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let called = Arc::new(AtomicU64::new(0));
    let (calls, noted) = (called.clone(), seen.clone());
    let slow = move |delivery: Delivery<Counted>| {
        calls.fetch_add(1, Ordering::SeqCst);
        // Each event waits for its leave.
        gate.lock().unwrap().recv().unwrap();
        noted.note(delivery.event.number);
        ready(Ok::<_, HandlerError>(()))
    };
    let running =
        start(Midgard::new(store).subscribe(Subscription::events("slow", StartFrom::Start), slow));
    for number in 0..10 {
        assert!(
            called.load(Ordering::SeqCst) <= number + 1,
            "one after the other"
        );
        go.send(()).unwrap();
        let handled = |status: &midgard::consumer::Status| status.place.position.get() > number;
        block_on(running.handle.wait_until("slow", super::kit::LONG, handled)).unwrap();
    }
    running.stop().unwrap();
    assert_eq!(seen.all(), (0..10).collect::<Vec<_>>());
}

#[test]
fn names_that_cannot_be_are_refused() {
    let store = MemoryStore::new();
    let run = |names: &[&str]| {
        let mut midgard = Midgard::new(store.clone());
        for name in names {
            midgard = midgard.subscribe(
                Subscription::<Counted>::events(*name, StartFrom::Start),
                |_| ready(Ok(())),
            );
        }
        block_on(midgard.catch_up())
    };
    for name in ["", "a/b", "nul\0", &"x".repeat(101)] {
        let error = run(&[name]).unwrap_err();
        assert!(matches!(error, RunError::Name { .. }), "{error}");
    }
    let twice = run(&["one", "one"]);
    assert!(matches!(twice, Err(RunError::DuplicateName { .. })));
}

#[test]
fn nothing_happens_until_it_is_run() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", [1]);
    let midgard = Midgard::new(store).subscribe(
        Subscription::events("lazy", StartFrom::Start),
        seen.collect(),
    );
    let run = midgard.run();
    assert!(seen.all().is_empty());
    assert!(
        run.now_or_never().is_none(),
        "it goes on until it is stopped"
    );
    assert_eq!(seen.all(), [1]);
}
