//! Many events, many processes, and others who write at the same time: all in order, and none twice.

use crate::kit::{
    Do, Script, clerk, lines, scripts, start, tell, until, until_none_goes_on, write,
};
use crate::shop::{Fate, fates, open, place};
use crate::stores::meeting;
use midgard::bus::InProcessBus;
use midgard::consumer::ConsumerState;
use midgard::{MemoryStore, Midgard, Processes, StartFrom, block_on};

#[test]
fn commands_with_one_key_leave_in_the_order_of_the_events_whichever_process_sends_them() {
    let (store, clerk_store) = (MemoryStore::new(), MemoryStore::new());
    let bus = InProcessBus::new();
    for number in 0..300 {
        let process = format!("p{}", number % 7);
        tell(
            &store,
            &process,
            [Do::Send("k".into(), vec![2 * number, 2 * number + 1])],
        );
    }
    let running = start(scripts(&store, bus.clone()));
    let clerk = start(clerk(&clerk_store, bus));
    until("all to be noted", || {
        (lines(&clerk_store, "k").len() == 600).then_some(())
    });
    let wanted: Vec<_> = (0..600).map(|number| number.to_string()).collect();
    assert_eq!(lines(&clerk_store, "k"), wanted);
    running.stop();
    clerk.stop();
}

#[test]
fn thousands_of_events_to_one_process_are_taken_in_order() {
    let store = MemoryStore::new();
    for number in 0..5000 {
        tell(&store, "a", [write(&number.to_string())]);
    }
    let program = || {
        let scripts = Processes::<Script>::new(StartFrom::Start).replies_from(InProcessBus::new());
        Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(scripts)
    };
    block_on(program().catch_up()).unwrap();
    let wanted: Vec<_> = (0..5000).map(|number| number.to_string()).collect();
    assert_eq!(lines(&store, "book"), wanted);
    // The process is made anew from all of them.
    tell(&store, "a", [write("more")]);
    block_on(program().catch_up()).unwrap();
    assert_eq!(lines(&store, "book").last().unwrap(), "more");
}

#[test]
fn others_who_are_always_faster_keep_it_from_nothing_and_nothing_is_parked() {
    // Of eight appends seven come too late.
    let store = meeting(8);
    for number in 0..120 {
        tell(
            &store,
            &format!("p{}", number % 5),
            [write(&number.to_string())],
        );
    }
    let midgard = scripts(&store, InProcessBus::new());
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let wanted: Vec<_> = (0..120).map(|number| number.to_string()).collect();
    assert_eq!(block_on(handle.dead_letters("script")).unwrap(), []);
    assert_eq!(lines(&store, "book"), wanted);
    let log = block_on(crate::shop::log(&store));
    let met = log.iter().filter(|event| event.name == "journal.opened");
    assert!(met.count() >= 20, "there were conflicts");
}

#[test]
fn a_retry_of_what_is_parked_meets_others_too() {
    let store = meeting(5);
    block_on(crate::shop::append(
        &store,
        "journal-book",
        &crate::kit::Closed {},
    ));
    tell(&store, "a", [Do::Write("book".into(), "1".into())]);
    let running = start(scripts(&store, InProcessBus::new()));
    until("the letter", || {
        let letters = block_on(running.handle.dead_letters("script")).unwrap();
        (letters.len() == 1).then_some(())
    });
    block_on(crate::shop::append(
        &store,
        "journal-book",
        &crate::kit::Opened {},
    ));
    block_on(running.handle.retry("script", "a")).unwrap();
    until("the retry", || {
        (lines(&store, "book") == ["1"]).then_some(())
    });
    running.stop();
}

#[test]
fn answers_that_come_while_events_are_handled_are_all_taken_in() {
    let (store, clerk_store) = (MemoryStore::new(), MemoryStore::new());
    let bus = InProcessBus::new();
    let running = start(scripts(&store, bus.clone()));
    let clerk = start(clerk(&clerk_store, bus));
    // Both write to the same processes, and to the same journal.
    for number in 0..300 {
        let process = format!("p{}", number % 3);
        let own = Do::Write(process.clone(), "told".into());
        tell(
            &store,
            &process,
            [Do::Send(process.clone(), vec![number]), own],
        );
    }
    for process in ["p0", "p1", "p2"] {
        until("all answers", || {
            let (told, noted): (Vec<_>, Vec<_>) = lines(&store, process)
                .into_iter()
                .partition(|line| line == "told");
            ((told.len(), noted.len()) == (100, 100)).then_some(())
        });
    }
    let status = running.handle.status_of("script").unwrap();
    assert_eq!((status.parked, status.state), (0, ConsumerState::Live));
    assert_eq!(
        running.handle.status_of("script replies").unwrap().parked,
        0
    );
    running.stop();
    clerk.stop();
}

#[test]
fn four_thousand_events_of_a_thousand_processes() {
    let store = MemoryStore::new();
    for number in 0..4_000 {
        let process = format!("p{}", number % 1000);
        let last = number >= 3_000;
        let journal = format!("j{}", number % 50);
        let mut script = vec![Do::Write(journal, "x".into())];
        script.extend(last.then_some(Do::Complete));
        tell(&store, &process, script);
    }
    let scripts = Processes::<Script>::new(StartFrom::Start).replies_from(InProcessBus::new());
    let midgard = Midgard::new(store.clone())
        .outbox_elsewhere()
        .process_manager(scripts);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(block_on(handle.processes("script")).unwrap(), []);
    let written = crate::shop::log(&store);
    let written = block_on(written);
    let journals = written
        .iter()
        .filter(|event| event.name == "journal.written");
    assert_eq!(journals.count(), 4_000);
}

#[test]
fn a_saga_of_many_orders_with_few_customers() {
    let (store, customers_store) = (MemoryStore::new(), MemoryStore::new());
    let bus = InProcessBus::new();
    for customer in 0..5 {
        block_on(open(&customers_store, customer, 250));
    }
    for order in 0..500 {
        block_on(place(
            &store,
            order,
            order as u32 % 5,
            10,
            crate::kit::NEVER,
        ));
    }
    let customers = start(crate::kit::customers(&customers_store, bus.clone()));
    let orders = start(crate::kit::orders(&store, bus));
    until("all to be decided", || {
        let fates = block_on(fates(&store, &customers_store));
        fates.values().all(|fate| fate.is_sound()).then_some(())
    });
    until_none_goes_on(&orders.handle, "placement");
    let fates = block_on(fates(&store, &customers_store));
    let confirmed = fates.values().filter(|fate| **fate == Fate::CONFIRMED);
    assert_eq!((fates.len(), confirmed.count()), (500, 125));
    orders.stop();
    customers.stop();
}
