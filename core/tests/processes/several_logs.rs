//! Process managers on a store with several logs: they react to the events of each, once and in order.

use crate::kit::{
    Do, Script, Told, clerk, lines, scripts, soon, start, tell, until, until_none_goes_on, write,
};
use crate::logs::{WEST, two_logs};
use crate::shop::append;
use midgard::bus::InProcessBus;
use midgard::consumer::FailurePolicy;
use midgard::event::RecordedEventRef;
use midgard::{
    Aggregate, Apply, Command, Event, Events, MemoryStore, Midgard, Place, Position,
    ProcessManager, Processes, React, Reactions, StartFrom, Store, block_on, events,
};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;

/// Tells a process something, in the second log.
fn tell_west(store: &impl Store, process: &str, script: Do) {
    let told = Told {
        process: process.to_owned(),
        script: vec![script],
    };
    block_on(append(store, "west-told", &told));
}

fn tell_both(store: &impl Store, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let process = format!("p{}", number % 5);
        tell(store, &process, [write(&format!("main {number}"))]);
        tell_west(store, &process, write(&format!("west {number}")));
    }
}

#[test]
fn the_events_of_each_log_are_reacted_to_once_in_order_across_restarts() {
    let store = two_logs();
    let program = || {
        let scripts = Processes::<Script>::new(StartFrom::Start).replies_from(InProcessBus::new());
        Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(scripts)
    };
    tell_west(&store, "p0", write("west first"));
    tell_both(&store, 0..60);
    block_on(program().catch_up()).unwrap();
    tell_both(&store, 60..70);
    block_on(program().catch_up()).unwrap();
    let (main, west): (Vec<_>, Vec<_>) = lines(&store, "book")
        .into_iter()
        .partition(|line| line.starts_with("main"));
    let wanted = |log| (0..70).map(move |number| format!("{log} {number}"));
    assert_eq!(main, wanted("main").collect::<Vec<_>>());
    let first = "west first".to_owned();
    let wanted: Vec<_> = [first].into_iter().chain(wanted("west")).collect();
    assert_eq!(west, wanted);
}

#[test]
fn commands_sent_for_events_of_both_logs_are_answered_once() {
    let (store, clerk_store, bus) = (two_logs(), MemoryStore::new(), InProcessBus::new());
    for number in 0..40 {
        tell(&store, "main", [Do::Send("main".into(), vec![number])]);
        tell_west(&store, "west", Do::Send("west".into(), vec![number]));
    }
    let (running, clerk) = (
        start(scripts(&store, bus.clone())),
        start(clerk(&clerk_store, bus)),
    );
    for log in ["main", "west"] {
        // The journal of a process has its answers.
        until("all answers", || {
            (lines(&store, log).len() == 40).then_some(())
        });
        let wanted: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        assert_eq!(lines(&clerk_store, log), wanted);
        let answers: Vec<_> = (0..40)
            .map(|number| format!("{number} noted, {} in all", number + 1))
            .collect();
        assert_eq!(lines(&store, log), answers);
    }
    running.stop();
    clerk.stop();
}

#[test]
fn a_reaction_to_an_event_of_the_second_log_is_retried_there() {
    let store = two_logs();
    let close = crate::kit::Closed {};
    block_on(append(&store, "journal-book", &close));
    tell_west(&store, "p", write("late"));
    let running = start(scripts(&store, InProcessBus::new()));
    let letters = until("a dead letter", || {
        let letters = block_on(running.handle.dead_letters("script")).unwrap();
        (!letters.is_empty()).then_some(letters)
    });
    assert_eq!(letters[0].place, Place::new(WEST, Position(1)));
    block_on(append(&store, "journal-book", &crate::kit::Opened {}));
    block_on(running.handle.retry("script", "p")).unwrap();
    until("the line", || {
        (lines(&store, "book") == ["late"]).then_some(())
    });
    tell(&store, "p", [Do::Complete]);
    until_none_goes_on(&running.handle, "script");
    running.stop();
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "western.reached")]
struct Reached {}

/// An aggregate whose streams are in the second log.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "western", id = String, events(Reached))]
struct Western;

impl Apply<Reached> for Western {
    fn apply(&mut self, _: Reached) {}
}

#[derive(Debug)]
struct Reach;

impl Command<Western> for Reach {
    type Error = Infallible;

    fn decide(&self, _: &Western) -> Result<Events<Western>, Infallible> {
        Ok(events![Reached {}])
    }
}

/// Wants to change an aggregate in another log than its own.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "crossing", id = String, events(Told))]
struct Crossing;

impl React<Told> for Crossing {
    fn process(event: &Told, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.process.clone())
    }

    fn react(&mut self, event: Told, reactions: &mut Reactions<Self>) {
        reactions.execute::<Western, _>(event.process, Reach);
    }
}

#[test]
fn a_step_over_two_logs_is_refused_with_the_reason_and_not_half_done() {
    let store = two_logs();
    tell(&store, "p", []);
    // It is not tried again: a retry would wait for a day.
    let retry = FailurePolicy::retry(1000).first_after(Duration::from_secs(86_400));
    let crossing =
        Processes::<Crossing>::new(StartFrom::Start).options(soon().on_failure(retry.then_park()));
    let midgard = Midgard::new(store.clone()).process_manager(crossing);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let letters = block_on(handle.dead_letters("crossing")).unwrap();
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0].error.contains("is atomic in one log only"),
        "{}",
        letters[0].error
    );
    assert_eq!(block_on(store.last_position(WEST)).unwrap(), Position::ZERO);
    let log = block_on(crate::shop::log(&store));
    assert_eq!(log.len(), 1, "only what it was told");
}
