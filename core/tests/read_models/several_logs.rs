//! A store with several logs: a consumer follows each of them, each in its order, and goes on in each where it was.

use super::kit::{
    Counted, LONG, Paid, SAFE_LEASE, Seen, append_event, at_once, count, start, until_shared,
};
use crate::logs::{ByName, WEST, two_logs};
use midgard::consumer::{
    ConsumerKind, ConsumerNotes, ConsumerOptions, ConsumerState, HandleError, Status,
};
use midgard::event::Registry;
use midgard::notes::StoreNotes;
use midgard::store::{Append, AppendError, ExpectedVersion, Layered, ReadEntries, StoreError};
use midgard::{
    LogId, Midgard, Place, Position, StartFrom, Store, StreamName, Subscription, block_on,
};
use std::future::ready;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) type TwoLogs = Layered<ByName>;

/// What is counted in the second log is above this number.
const FAR: u64 = 1000;

fn teller(start: StartFrom) -> Subscription<Counted> {
    Subscription::events("teller", start)
}

fn told(store: &TwoLogs, seen: &Seen, teller: Subscription<Counted>) -> Midgard<TwoLogs> {
    Midgard::new(store.clone()).subscribe(teller, seen.collect())
}

/// What was seen of each log, in order.
fn by_log(seen: &Seen) -> (Vec<u64>, Vec<u64>) {
    seen.all().into_iter().partition(|number| *number < FAR)
}

/// Appends to both logs, in turns.
fn count_both(store: &TwoLogs, numbers: impl IntoIterator<Item = u64>) -> (Place, Place) {
    let (mut main, mut west) = (Position::ZERO, Position::ZERO);
    for number in numbers {
        main = count(store, "told", [number]);
        west = count(store, "west-told", [FAR + number]);
    }
    (Place::main(main), Place::new(WEST, west))
}

pub(crate) fn pay(store: &TwoLogs, stream: &str, account: &str, cents: u64) -> Position {
    let account = account.to_owned();
    append_event(store, stream, &Paid { account, cents })
}

#[test]
fn a_subscription_follows_each_log_and_goes_on_in_each_where_it_was() {
    let (store, seen) = (two_logs(), Seen::default());
    // The second log is longer, so that a place in it says nothing about the first.
    count(&store, "west-told", (1..=3).map(|number| FAR + number));
    let (main, west) = count_both(&store, 4..=6);
    block_on(told(&store, &seen, teller(StartFrom::Start)).catch_up()).unwrap();
    assert_eq!(
        by_log(&seen),
        (
            vec![4, 5, 6],
            (1..=6).map(|number| FAR + number).collect::<Vec<_>>()
        )
    );
    let stored = StoreNotes::of(store.clone());
    let notes = ConsumerNotes::of(&stored, ConsumerKind::Subscription, "teller");
    assert_eq!(block_on(notes.checkpoint()).unwrap(), Some(main));
    assert_eq!(block_on(notes.checkpoint_in(WEST)).unwrap(), Some(west));

    count(&store, "west-told", [FAR + 7]);
    let seen = Seen::default();
    let running = start(told(&store, &seen, teller(StartFrom::Start)));
    let (main, west) = count_both(&store, 8..=20);
    for place in [main, west] {
        block_on(running.handle.wait_for("teller", place, LONG)).unwrap();
    }
    let mut far: Vec<_> = (8..=20).map(|number| FAR + number).collect();
    far.insert(0, FAR + 7);
    assert_eq!(by_log(&seen), ((8..=20).collect(), far));
    let status = running.handle.status_of("teller").unwrap();
    assert_eq!((status.place, status.handled), (main, 27));
    assert_eq!((status.partitions, status.all_partitions), (2, 2));
    let others: Vec<_> = status.other_logs.iter().map(|log| log.place).collect();
    assert_eq!((others, status.lag()), (vec![west], 0));
    running.stop().unwrap();
}

#[test]
fn a_wait_for_a_log_that_is_not_there_ends_with_its_error() {
    let (store, seen) = (two_logs(), Seen::default());
    let running = start(told(&store, &seen, teller(StartFrom::Start)));
    let place = Place::new(LogId(9), Position(1));
    let error = block_on(running.handle.wait_for("teller", place, LONG)).unwrap_err();
    let HandleError::Store(StoreError::UnknownLog { log, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(log, LogId(9));
    running.stop().unwrap();
}

#[test]
fn a_place_to_begin_at_is_of_its_own_log_and_the_end_is_that_of_each() {
    let begun = |start: StartFrom| {
        let (store, seen) = (two_logs(), Seen::default());
        count_both(&store, 1..=3);
        block_on(told(&store, &seen, teller(start)).catch_up()).unwrap();
        count_both(&store, 4..=4);
        // Where it begins is decided once.
        block_on(told(&store, &seen, teller(StartFrom::Start)).catch_up()).unwrap();
        by_log(&seen)
    };
    let after = StartFrom::After(Place::new(WEST, Position(2)));
    assert_eq!(begun(after), (vec![1, 2, 3, 4], vec![FAR + 3, FAR + 4]));
    assert_eq!(begun(StartFrom::End), (vec![4], vec![FAR + 4]));
}

#[test]
fn what_is_noted_of_the_second_log_is_beside_what_one_log_needs() {
    let (store, seen) = (two_logs(), Seen::default());
    count_both(&store, 1..=3);
    let after = StartFrom::After(Place::new(WEST, Position(1)));
    block_on(told(&store, &seen, teller(after)).catch_up()).unwrap();
    let mut notes = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        let key = key.strip_prefix("subscription/teller/").unwrap().to_owned();
        if key == "about" || !value.contains("\"event\"") {
            notes.push(format!("{key} {value}"));
        } else {
            notes.push(key);
        }
        ControlFlow::Continue(())
    };
    let read = ReadEntries::prefix(b"subscription/teller/");
    block_on(store.read_entries(&read, each)).unwrap();
    notes.retain(|note| !note.starts_with("known"));
    let wanted = [
        "0000000000/checkpoint/0/00000",
        "0000000000/checkpoint/3/00000",
        r#"0000000000/lease/00000 {"format":1,"owner":null,"epoch":2}"#,
        r#"0000000000/lease/3/00000 {"format":1,"owner":null,"epoch":2}"#,
        r#"about {"format":1,"partitions":1,"start":0,"other_starts":[{"log":3,"start":1}],"coverage":{"events":{"counted":1}}}"#,
    ];
    assert_eq!(notes, wanted);
}

#[test]
fn a_dead_letter_of_the_second_log_is_retried_and_holds_up_nothing_of_the_first() {
    let (store, seen) = (two_logs(), Seen::default());
    let is_closed = Arc::new(AtomicBool::new(true));
    let refuses = {
        let is_closed = is_closed.clone();
        move |number: u64| number == FAR + 2 && is_closed.load(Ordering::SeqCst)
    };
    let run = || {
        // Both logs have a sequence of this name.
        let teller = teller(StartFrom::Start)
            .sequence_by(|_| "one".into())
            .on_failure(at_once().then_park());
        let refuses = refuses.clone();
        let handler = seen.refuse(move |delivery| refuses(delivery.event.number));
        start(Midgard::new(store.clone()).subscribe(teller, handler))
    };
    let running = run();
    let (main, west) = count_both(&store, 1..=3);
    for place in [main, west] {
        block_on(running.handle.wait_for("teller", place, LONG)).unwrap();
    }
    assert_eq!(by_log(&seen), (vec![1, 2, 3], vec![FAR + 1]));
    let letters = block_on(running.handle.dead_letters("teller")).unwrap();
    let places: Vec<_> = letters.iter().map(|letter| letter.place).collect();
    let west_at = |position| Place::new(WEST, Position(position));
    assert_eq!(places, [west_at(2), west_at(3)]);
    let evicted = block_on(running.handle.evict("teller", Place::main(Position(2))));
    assert!(
        matches!(evicted, Err(HandleError::NotParked { .. })),
        "{evicted:?}"
    );

    running.stop().unwrap();
    let running = run();
    let holds_one = |status: &Status| status.parked == 1;
    block_on(running.handle.wait_until("teller", LONG, holds_one)).unwrap();
    let main = Place::main(count(&store, "told", [4]));
    block_on(running.handle.wait_for("teller", main, LONG)).unwrap();
    assert_eq!(by_log(&seen), (vec![1, 2, 3, 4], vec![FAR + 1]));

    is_closed.store(false, Ordering::SeqCst);
    block_on(running.handle.retry("teller", "one")).unwrap();
    let is_free = |status: &Status| status.parked == 0;
    block_on(running.handle.wait_until("teller", LONG, is_free)).unwrap();
    assert_eq!(by_log(&seen).1, [FAR + 1, FAR + 2, FAR + 3]);
    running.stop().unwrap();
}

#[test]
fn sequences_of_one_name_that_are_parked_in_both_logs_are_both_retried() {
    let (store, seen) = (two_logs(), Seen::default());
    let is_closed = Arc::new(AtomicBool::new(true));
    let refuses = is_closed.clone();
    let teller = teller(StartFrom::Start)
        .sequence_by(|_| "one".into())
        .on_failure(at_once().then_park());
    let handler = seen.refuse(move |_| refuses.load(Ordering::SeqCst));
    let running = start(Midgard::new(store.clone()).subscribe(teller, handler));
    let (main, west) = count_both(&store, 1..=2);
    for place in [main, west] {
        block_on(running.handle.wait_for("teller", place, LONG)).unwrap();
    }
    let status = running.handle.status_of("teller").unwrap();
    assert_eq!((seen.all(), status.parked), (vec![], 2));
    is_closed.store(false, Ordering::SeqCst);
    let asked = block_on(running.handle.retry_all("teller", |_| true)).unwrap();
    let is_free = |status: &Status| status.parked == 0;
    block_on(running.handle.wait_until("teller", LONG, is_free)).unwrap();
    assert_eq!(asked, 2);
    assert_eq!(by_log(&seen), (vec![1, 2], vec![FAR + 1, FAR + 2]));
    running.stop().unwrap();
}

#[test]
fn a_failure_in_one_log_ends_the_consumer_and_a_restart_goes_on_in_each() {
    let (store, seen) = (two_logs(), Seen::default());
    let is_closed = Arc::new(AtomicBool::new(true));
    let refuses = is_closed.clone();
    let teller = teller(StartFrom::Start).on_failure(at_once().then_stop());
    let handler = seen
        .refuse(move |delivery| delivery.event.number == FAR + 2 && refuses.load(Ordering::SeqCst));
    let running = start(Midgard::new(store.clone()).subscribe(teller, handler));
    let (main, west) = count_both(&store, 1..=3);
    let has_failed = |status: &Status| status.state == ConsumerState::Failed;
    let status = block_on(running.handle.wait_until("teller", LONG, has_failed)).unwrap();
    let failed_at = status.last_error.unwrap().place;
    assert_eq!(failed_at, Some(Place::new(WEST, Position(2))));

    is_closed.store(false, Ordering::SeqCst);
    running.handle.restart("teller").unwrap();
    for place in [main, west] {
        block_on(running.handle.wait_for("teller", place, LONG)).unwrap();
    }
    assert_eq!(
        by_log(&seen),
        (vec![1, 2, 3], vec![FAR + 1, FAR + 2, FAR + 3])
    );
    running.stop().unwrap();
}

#[test]
fn a_failure_in_one_log_shows_although_a_handler_hangs_in_another() {
    let (store, seen) = (two_logs(), Seen::default());
    let gate = event_listener::Event::new();
    let (opened, is_closed) = (Mutex::new(Some(gate.listen())), AtomicBool::new(true));
    let handler = {
        let seen = seen.clone();
        move |delivery: midgard::Delivery<Counted>| {
            let number = delivery.event.number;
            let opened = opened.lock().unwrap().take_if(|_| number == 1);
            let is_refused = number == FAR + 1 && is_closed.swap(false, Ordering::SeqCst);
            let seen = seen.clone();
            async move {
                if is_refused {
                    return Err("the west is closed".into());
                }
                if let Some(opened) = opened {
                    opened.await;
                }
                seen.note(number);
                Ok(())
            }
        }
    };
    let teller = teller(StartFrom::Start).on_failure(at_once().then_stop());
    let running = start(Midgard::new(store.clone()).subscribe(teller, handler));
    let (main, west) = count_both(&store, 1..=1);
    let has_failed = |status: &Status| status.state == ConsumerState::Failed;
    let status = block_on(running.handle.wait_until("teller", LONG, has_failed)).unwrap();
    let error = status.last_error.unwrap();
    assert_eq!(
        (error.place, &*error.message),
        (Some(west), "the west is closed")
    );

    // A restart that is asked for before the other handler has ended is not forgotten.
    running.handle.restart("teller").unwrap();
    gate.notify(1);
    for place in [main, west] {
        block_on(running.handle.wait_for("teller", place, LONG)).unwrap();
    }
    assert_eq!(by_log(&seen), (vec![1], vec![FAR + 1]));
    running.stop().unwrap();
}

#[test]
fn workers_share_the_partitions_of_all_logs_and_each_event_is_handled_once() {
    let (store, seen) = (two_logs(), Arc::new(Mutex::new(Vec::new())));
    let worker = || {
        let seen = seen.clone();
        let teller = teller(StartFrom::Start).partitions(4).lease(SAFE_LEASE);
        start(
            Midgard::new(store.clone()).subscribe(teller, move |delivery| {
                let stream = delivery.recorded.stream.to_string();
                seen.lock().unwrap().push((stream, delivery.event.number));
                ready(Ok(()))
            }),
        )
    };
    let workers = [worker(), worker()];
    let handles = workers.each_ref().map(|worker| &worker.handle);
    until_shared(&handles, |status| status.partitions == 4);
    let streams: Vec<_> = ["told", "west"]
        .iter()
        .flat_map(|log| (0..5).map(move |number| format!("{log}-{number}")))
        .collect();
    let mut last = Vec::new();
    for number in 1..=20 {
        for stream in &streams {
            let position = count(&store, stream, [number]);
            last.push(Place::new(crate::logs::log_of(stream), position));
        }
    }
    for worker in &workers {
        for place in last.iter().rev().take(streams.len()) {
            block_on(worker.handle.wait_for("teller", *place, LONG)).unwrap();
        }
    }
    for stream in &streams {
        let seen = seen.lock().unwrap();
        let of_stream = seen.iter().filter(|(of, _)| of == stream);
        let numbers: Vec<_> = of_stream.map(|(_, number)| *number).collect();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>(), "{stream}");
    }
    for worker in workers {
        worker.stop().unwrap();
    }
}

#[test]
fn a_release_that_handles_more_is_given_what_was_passed_in_each_log() {
    let store = two_logs();
    let seen = Seen::default();
    count_both(&store, 1..=1);
    pay(&store, "account-ann", "ann", 1);
    pay(&store, "west-ann", "ann", 10);
    count_both(&store, 2..=2);
    let known = Registry::new().with::<Counted>().unwrap();
    let old = Subscription::<Counted>::events("payments", StartFrom::Start)
        .options(ConsumerOptions::new().knows(&known));
    let old = Midgard::new(store.clone()).subscribe(old, seen.collect());
    block_on(old.catch_up()).unwrap();

    let paid = Arc::new(Mutex::new(Vec::new()));
    let new = Subscription::<Either>::events("payments", StartFrom::Start);
    let handler = {
        let (paid, seen) = (paid.clone(), seen.clone());
        move |delivery: midgard::Delivery<Either>| {
            match delivery.event {
                Either::Paid(event) => paid.lock().unwrap().push(event.cents),
                Either::Counted(event) => seen.note(event.number),
            }
            ready(Ok(()))
        }
    };
    let midgard = Midgard::new(store).subscribe(new, handler);
    block_on(midgard.catch_up()).unwrap();
    let mut paid = paid.lock().unwrap().clone();
    paid.sort_unstable();
    assert_eq!(paid, [1, 10]);
    assert_eq!(by_log(&seen), (vec![1, 2], vec![FAR + 1, FAR + 2]));
}

#[test]
fn a_release_that_gives_way_hands_over_its_progress_in_each_log() {
    let store = two_logs();
    // Checkpoints are written at rest only, and not for the sake of leases.
    let hour = Duration::from_secs(3600);
    let (entering, entered) = mpsc::channel();
    let (opening, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let by_old = Seen::default();
    let known = Registry::new().with::<Counted>().unwrap();
    let options = ConsumerOptions::new().knows(&known).lease(hour);
    let old = Subscription::<Counted>::events("payments", StartFrom::Start).options(options);
    let old = {
        let by_old = by_old.clone();
        start(Midgard::new(store.clone()).subscribe(old, move |delivery| {
            if delivery.event.number == FAR + 2 {
                entering.send(()).unwrap();
                // Also while it holds up the other log, which runs in the same thread.
                let _ = opened.lock().unwrap().recv();
            }
            by_old.note(delivery.event.number);
            ready(Ok(()))
        }))
    };
    let (main, west) = count_both(&store, 1..=2);
    entered.recv().unwrap();
    let by_new = Seen::default();
    let options = ConsumerOptions::new().lease(hour);
    let new = Subscription::<Either>::events("payments", StartFrom::Start).options(options);
    let handler = {
        let by_new = by_new.clone();
        move |delivery: midgard::Delivery<Either>| {
            if let Either::Counted(event) = delivery.event {
                by_new.note(event.number);
            }
            ready(Ok(()))
        }
    };
    let new = start(Midgard::new(store).subscribe(new, handler));
    let stands_by = |status: &Status| status.state == ConsumerState::Standby;
    block_on(new.handle.wait_until("payments", LONG, stands_by)).unwrap();
    drop(opening);
    for place in [main, west] {
        block_on(new.handle.wait_for("payments", place, LONG)).unwrap();
    }
    let mut all = [by_old.all(), by_new.all()].concat();
    all.sort_unstable();
    assert_eq!(
        all,
        [1, 2, FAR + 1, FAR + 2],
        "by the new one: {:?}",
        by_new.all()
    );
    new.stop().unwrap();
    old.stop().unwrap();
}

#[derive(Debug, midgard::EventSet)]
enum Either {
    Counted(Counted),
    Paid(Paid),
}

#[test]
fn a_drain_handles_what_is_in_each_log() {
    let (store, seen) = (two_logs(), Seen::default());
    let running = start(told(&store, &seen, teller(StartFrom::Start)));
    count(&store, "west-told", (1..=50).map(|number| FAR + number));
    running.drain().unwrap();
    assert_eq!(by_log(&seen).1.len(), 50);
    block_on(told(&store, &seen, teller(StartFrom::Start)).catch_up()).unwrap();
    assert_eq!(seen.all().len(), 50);
}

#[test]
fn an_append_over_two_logs_is_refused_with_the_reason() {
    let store = two_logs();
    let event = || midgard::event::NewEvent::encode(&Counted { number: 1 }).unwrap();
    let stream = |name| StreamName::new(name).unwrap();
    let append = Append::to(stream("told"), ExpectedVersion::Any, [event()]);
    let append = append.and(stream("west-told"), ExpectedVersion::Any, [event()]);
    let error = block_on(store.append(append)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the append concerns log 0 and log 3, and is atomic in one log only"),
        "{error}"
    );
    let AppendError::Store(StoreError::SeveralLogs { .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(block_on(store.last_position(WEST)).unwrap(), Position::ZERO);
}
