//! Where a consumer begins that has no checkpoint yet.

use super::kit::{Counted, Seen, count};
use midgard::store::{ExpectedVersion, ReadLog};
use midgard::{
    LogId, MemoryStore, Midgard, Place, Position, StartFrom, Store, StreamName, Subscription,
    Timestamp, Version, block_on,
};
use std::ops::ControlFlow;

/// The numbers that a new consumer of this log is given, of those that are there and of one that is appended later.
fn given(store: &MemoryStore, name: &str, start: StartFrom) -> Vec<u64> {
    let seen = Seen::default();
    let catch_up = || {
        let subscription = Subscription::<Counted>::events(name, start);
        let midgard = Midgard::new(store.clone()).subscribe(subscription, seen.collect());
        block_on(midgard.catch_up()).unwrap();
    };
    catch_up();
    count(store, "later", [99]);
    catch_up();
    let mut numbers = seen.all();
    assert_eq!(numbers.pop(), Some(99), "{start:?}");
    numbers.retain(|number| *number != 99);
    numbers
}

/// Appends events each of which has a time of its own.
fn at_different_times(store: &MemoryStore, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let before = Timestamp::now();
        while Timestamp::now() <= before {}
        count(
            store,
            if number % 2 == 0 { "even" } else { "odd" },
            [number],
        );
    }
}

fn times(store: &MemoryStore) -> Vec<(u64, Timestamp)> {
    let mut times = Vec::new();
    let read = ReadLog::forward();
    block_on(store.read_log(&read, &mut |event| {
        let Counted { number } = event.decode().unwrap();
        times.push((number, event.time));
        ControlFlow::Continue(())
    }))
    .unwrap();
    times
}

#[test]
fn it_begins_with_the_first_event_that_was_recorded_at_a_time_or_later() {
    let store = MemoryStore::new();
    at_different_times(&store, 0..40);
    // The log has gaps, one of them at its end.
    let odd = StreamName::new("odd").unwrap();
    block_on(store.truncate(&odd, Version(15), ExpectedVersion::Any)).unwrap();
    let times: Vec<_> = times(&store);
    assert_eq!(times.len(), 26);
    for (index, (number, time)) in times.iter().enumerate() {
        for (since, from) in [(time.as_micros(), index), (time.as_micros() + 1, index + 1)] {
            let start = StartFrom::Time(Timestamp::from_micros(since));
            let all = given(&store, &format!("{number} {from}"), start);
            let wanted = times[from..].iter().map(|(number, _)| *number);
            assert_eq!(
                all,
                wanted.collect::<Vec<_>>(),
                "since the time of {number}"
            );
        }
    }
    let first = given(&store, "first", StartFrom::Time(Timestamp::from_micros(0)));
    assert_eq!(first.len(), times.len());
    let to_come = StartFrom::Time(Timestamp::from_micros(u64::MAX));
    assert_eq!(given(&store, "to come", to_come), [0; 0]);
    let nothing = MemoryStore::new();
    let start = StartFrom::Time(times[0].1);
    assert_eq!(given(&nothing, "nothing", start), [0; 0]);
}

#[test]
fn a_place_of_another_log_leaves_out_nothing_of_this_one() {
    let store = MemoryStore::new();
    count(&store, "a", 0..4);
    let here = StartFrom::After(Place::main(Position(3)));
    assert_eq!(given(&store, "here", here), [3]);
    let elsewhere = StartFrom::After(Place::new(LogId(2), Position(3)));
    assert_eq!(given(&store, "elsewhere", elsewhere), [0, 1, 2, 3]);
}
