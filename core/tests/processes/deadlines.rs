//! Deadlines: each fires once, unless it is cancelled or replaced, whoever has set it and whoever runs.

use crate::kit::{
    Do, LONG, NEVER, PANICS, Told, lines, processes, scripts, scripts_by, start, tell, until,
    until_count, until_lines, write,
};
use crate::shop::log;
use midgard::bus::InProcessBus;
use midgard::clock::ManualClock;
use midgard::consumer::ConsumerState;
use midgard::event::{NewEvent, RecordedEventRef};
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    Event, Expire, LogId, MemoryStore, Midgard, Place, ProcessManager, Processes, React, Reactions,
    StartFrom, Store as _, StreamName, block_on,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

fn program(store: &MemoryStore) -> Midgard<MemoryStore> {
    scripts(store, InProcessBus::new())
}

/// A store and programs by one clock, which stands still until it is moved.
struct Still {
    clock: ManualClock,
    store: MemoryStore,
}

impl Still {
    fn new() -> Self {
        let clock = ManualClock::at("2026-11-25T18:30:00Z".parse().unwrap());
        let store = MemoryStore::with_clock(&clock);
        Still { clock, store }
    }

    fn program(&self) -> Midgard<MemoryStore> {
        scripts_by(&self.clock, &self.store, InProcessBus::new())
    }

    fn advance(&self, millis: u64) {
        self.clock.advance(Duration::from_millis(millis));
    }
}

#[test]
fn a_deadline_survives_a_restart_and_fires_when_it_has_passed_meanwhile() {
    let still = Still::new();
    let store = &still.store;
    tell(store, "a", [Do::Remind(2_000, vec![write("due")])]);
    let running = start(still.program());
    until("the process", || processes(&running.handle, "script").pop());
    running.stop();
    // It is not due yet.
    still.advance(1_999);
    block_on(still.program().catch_up()).unwrap();
    assert_eq!(lines(store, "book"), [""; 0]);
    still.advance(1);
    // What is due is done, too, by who only catches up.
    block_on(still.program().catch_up()).unwrap();
    assert_eq!(lines(store, "book"), ["due"]);
    block_on(still.program().catch_up()).unwrap();
    assert_eq!(lines(store, "book"), ["due"]);
}

#[test]
fn a_deadline_is_cancelled_replaced_and_set_again() {
    let still = Still::new();
    let store = &still.store;
    let running = start(still.program());
    tell(store, "cancelled", [Do::Remind(2_000, vec![write("no")])]);
    tell(store, "cancelled", [Do::Cancel]);
    tell(store, "replaced", [Do::Remind(2_000, vec![write("no")])]);
    let later = Do::Remind(2_200, vec![Do::Write("replaced".into(), "later".into())]);
    tell(store, "replaced", [later]);
    // In one reaction the last word counts.
    let both = [Do::Remind(1, vec![write("no")]), Do::Cancel];
    tell(store, "both", both);
    let again = [
        Do::Cancel,
        Do::Remind(1, vec![write("no")]),
        Do::Remind(2, vec![Do::Write("again".into(), "once".into())]),
    ];
    tell(store, "again", again);
    let other = [
        Do::Remind(40, vec![Do::Write("two".into(), "due".into())]),
        Do::RemindOther(20, vec![Do::Write("two".into(), "other".into())]),
    ];
    tell(store, "two", other);
    let over = [Do::Remind(1, vec![write("no")]), Do::Complete];
    tell(store, "over", over);
    let told = Place::main(block_on(store.last_position(LogId::MAIN)).unwrap());
    block_on(running.handle.wait_for("script", told, LONG)).unwrap();
    still.advance(2_200);
    until_lines(store, "replaced", &["later"]);
    until_lines(store, "again", &["once"]);
    until_lines(store, "two", &["other", "due"]);
    running.stop();
    assert_eq!(lines(store, "book"), [""; 0]);
}

#[test]
fn a_deadline_that_sets_itself_again_goes_on() {
    let store = MemoryStore::new();
    let mut script = vec![Do::Write("count".into(), "0".into())];
    for number in 1..6 {
        let next = Do::Write("count".into(), number.to_string());
        script = vec![next, Do::Remind(1, script)];
    }
    tell(&store, "a", [Do::Remind(1, script)]);
    let running = start(program(&store));
    until_lines(&store, "count", &["5", "4", "3", "2", "1", "0"]);
    running.stop();
}

#[test]
fn a_deadline_fires_once_though_two_workers_run_and_also_in_the_one_that_did_not_set_it() {
    let still = Still::new();
    let store = &still.store;
    let first = start(still.program());
    until("the first to be at work", || {
        let status = first.handle.status_of("script").unwrap();
        (status.state == ConsumerState::Live).then_some(())
    });
    let second = start(still.program());
    for number in 0..40 {
        let write = Do::Write("book".into(), number.to_string());
        tell(store, &format!("p{number}"), [Do::Remind(50, vec![write])]);
    }
    until("all to have been set", || {
        (processes(&first.handle, "script").len() == 40).then_some(())
    });
    still.advance(50);
    until("all to have fired", || {
        (lines(store, "book").len() >= 40).then_some(())
    });
    // The one that has set them is gone: the other one knows of them by their notes.
    let far = Do::Remind(1200, vec![write("far")]);
    tell(store, "far", [far]);
    until("the last to have been set", || {
        (processes(&first.handle, "script").len() == 41).then_some(())
    });
    first.stop();
    still.advance(1200);
    until("the last", || {
        lines(store, "book")
            .contains(&"far".to_owned())
            .then_some(())
    });
    second.stop();
    let mut lines = lines(store, "book");
    lines.sort_unstable();
    let mut wanted: Vec<_> = (0..40).map(|number| number.to_string()).collect();
    wanted.push("far".to_owned());
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[test]
fn deadlines_that_fail_or_panic_are_in_nobodys_way_and_are_done_when_they_can_be() {
    let store = MemoryStore::new();
    let name = "panics at its deadline";
    PANICS.lock().unwrap().insert(name.to_owned());
    block_on(crate::shop::append(
        &store,
        "journal-shut",
        &crate::kit::Closed {},
    ));
    let failing = Do::Remind(1, vec![Do::Write("shut".into(), "at last".into())]);
    tell(&store, "fails", [failing]);
    let panicking = Do::Remind(1, vec![Do::Panic, Do::Write("panic".into(), "over".into())]);
    tell(&store, name, [panicking]);
    tell(&store, "good", [Do::Remind(30, vec![write("good")])]);
    let running = start(program(&store));
    until_lines(&store, "book", &["good"]);
    let error = until("the failure to be told", || {
        running.handle.status_of("script").unwrap().last_error
    });
    assert!(error.message.contains("deadline"), "{error:?}");
    let is_stuck = || {
        let stuck = running
            .handle
            .stuck_processes("script", Duration::from_millis(50));
        let stuck = block_on(stuck).unwrap();
        let ids: Vec<_> = stuck.iter().map(|process| &*process.id).collect();
        (ids == ["fails", "good", name]).then_some(())
    };
    until("the processes to be stuck", is_stuck);
    block_on(crate::shop::append(
        &store,
        "journal-shut",
        &crate::kit::Opened {},
    ));
    PANICS.lock().unwrap().remove(name);
    until_lines(&store, "shut", &["at last"]);
    until_lines(&store, "panic", &["over"]);
    running.stop();
}

#[test]
fn more_deadlines_than_are_taken_at_once_that_fail_do_not_keep_others_from_theirs() {
    let store = MemoryStore::new();
    block_on(crate::shop::append(
        &store,
        "journal-shut",
        &crate::kit::Closed {},
    ));
    for number in 0..1100 {
        let write = Do::Write("shut".into(), "never".into());
        tell(&store, &format!("p{number}"), [Do::Remind(0, vec![write])]);
    }
    let running = start(program(&store));
    until("all to be set", || {
        (processes(&running.handle, "script").len() == 1100).then_some(())
    });
    tell(&store, "good", [Do::Remind(0, vec![write("good")])]);
    until_lines(&store, "book", &["good"]);
    running.stop();
    assert_eq!(lines(&store, "shut"), [""; 0], "within {LONG:?}");
}

#[test]
fn thousands_of_deadlines_at_one_moment_all_fire() {
    let store = MemoryStore::new();
    for number in 0..2500 {
        let deadline = Do::Remind(0, vec![write("due"), Do::Complete]);
        tell(&store, &format!("p{number}"), [deadline]);
    }
    let running = start(program(&store));
    until_count(&store, "book", 2500);
    assert_eq!(processes(&running.handle, "script"), []);
    running.stop();
    assert_eq!(lines(&store, "book").len(), 2500);
}

#[test]
fn a_deadline_that_was_cancelled_by_another_one_at_the_same_moment_does_not_fire() {
    let store = MemoryStore::new();
    // Both have passed when the program looks for them, and are taken in the order of time.
    let cancels = Do::RemindOther(1, vec![Do::Cancel, write("first")]);
    tell(&store, "a", [Do::Remind(2, vec![write("no")]), cancels]);
    let midgard = program(&store);
    block_on(midgard.catch_up()).unwrap();
    until("both to pass", || {
        let now = midgard::Timestamp::now().as_micros();
        let told = block_on(log(&store)).last().unwrap().time.as_micros();
        (now > told + 10_000).then_some(())
    });
    let running = start(program(&store));
    until_lines(&store, "book", &["first"]);
    running.stop();
    assert_eq!(lines(&store, "book"), ["first"]);
}

#[test]
fn a_far_deadline_is_as_far_as_can_be() {
    let store = MemoryStore::new();
    tell(&store, "a", [Do::Remind(u64::MAX, vec![write("no")])]);
    tell(&store, "b", [Do::Remind(NEVER, vec![write("no")])]);
    block_on(program(&store).catch_up()).unwrap();
    let midgard = program(&store);
    let processes = processes(&midgard.handle(), "script");
    assert_eq!(processes.len(), 2);
    assert!(processes[0].deadline > processes[1].deadline);
    block_on(midgard.catch_up()).unwrap();
    assert_eq!(lines(&store, "book"), [""; 0]);
}

mod long_names {
    use midgard::event::RecordedEventRef;
    use midgard::{Event, Expire, ProcessManager, React, Reactions};
    use serde::{Deserialize, Serialize};
    use std::time::Duration;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "asked")]
    pub(super) struct Asked {
        pub(super) process: String,
        pub(super) cancel: bool,
    }

    /// As long as the name of an event may be.
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(
        name = "a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890a234567890abcde"
    )]
    pub(super) struct Due {
        pub(super) of: String,
    }

    /// As long as the name of a process manager may be.
    #[derive(Debug, Default, ProcessManager)]
    #[process_manager(
        name = "p234567890p234567890p234567890p234567890p234567890p234567890p234567890p234567890p234567890p234567890",
        id = String,
        events(Asked),
        deadlines(Due)
    )]
    pub(super) struct Long {}

    impl React<Asked> for Long {
        fn process(asked: &Asked, _: &RecordedEventRef<'_>) -> Option<String> {
            Some(asked.process.clone())
        }

        fn react(&mut self, asked: Asked, reactions: &mut Reactions<Self>) {
            let due = Due { of: asked.process };
            if asked.cancel {
                reactions.cancel::<Due>();
            } else {
                reactions.remind(Duration::ZERO, &due);
            }
        }
    }

    impl Expire<Due> for Long {
        fn expired(&mut self, due: Due, reactions: &mut Reactions<Self>) {
            assert!(!due.of.is_empty());
            reactions.complete();
        }
    }
}

#[test]
fn a_deadline_of_the_longest_names_and_id_fires_and_is_cancelled() {
    use long_names::{Asked, Long};

    let store = MemoryStore::new();
    let midgard =
        || Midgard::new(store.clone()).process_manager(Processes::<Long>::new(StartFrom::Start));
    let ask = |process: &str, cancel| {
        let process = process.repeat(200);
        let asked = Asked { process, cancel };
        let append = Append::to(
            StreamName::new("asked").unwrap(),
            ExpectedVersion::Any,
            [NewEvent::encode(&asked).unwrap()],
        );
        block_on(store.append(append)).unwrap();
    };
    ask("a", false);
    ask("b", false);
    ask("b", true);
    // The first sets them, and the second finds what has passed meanwhile.
    for _ in 0..2 {
        block_on(midgard().catch_up()).unwrap();
    }
    let left = block_on(midgard().handle().processes(Long::NAME)).unwrap();
    let left: Vec<_> = left
        .iter()
        .map(|left| (&left.id[..2], left.deadline))
        .collect();
    assert_eq!(left, [("bb", None)], "the other has fired, and is complete");
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "clock.tick")]
struct Tick {}

/// Sets its deadline again whenever that has passed.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "clock", id = String, events(Told), deadlines(Tick))]
struct Clock;

impl React<Told> for Clock {
    fn process(event: &Told, _: &RecordedEventRef<'_>) -> Option<String> {
        Some(event.process.clone())
    }

    fn react(&mut self, _: Told, reactions: &mut Reactions<Self>) {
        reactions.remind(Duration::ZERO, &Tick {});
    }
}

impl Expire<Tick> for Clock {
    fn expired(&mut self, _: Tick, reactions: &mut Reactions<Self>) {
        reactions.remind(Duration::ZERO, &Tick {});
    }
}

#[test]
fn what_catches_up_ends_beside_a_deadline_that_sets_itself_again() {
    let store = MemoryStore::new();
    tell(&store, "a", []);
    let program =
        || Midgard::new(store.clone()).process_manager(Processes::<Clock>::new(StartFrom::Start));
    let ticks = || {
        let all = block_on(log(&store)).into_iter();
        all.filter(|event| event.stream.as_str() == "clock-a")
            .count()
    };
    for run in 1..=3 {
        let (ended, end) = std::sync::mpsc::channel();
        let midgard = program();
        std::thread::spawn(move || ended.send(block_on(midgard.catch_up())));
        end.recv_timeout(LONG).expect("it ends").unwrap();
        // What has passed before it began is done.
        assert!(ticks() >= run, "{} in run {run}", ticks());
    }
}
