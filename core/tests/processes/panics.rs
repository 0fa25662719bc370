//! Panics of what a process manager says beside its reactions.

use crate::kit::{Told, at_once, soon, tell};
use midgard::consumer::{ConsumerState, RunError};
use midgard::event::RecordedEventRef;
use midgard::{
    MemoryStore, Midgard, Place, Position, ProcessManager, Processes, React, Reactions, StartFrom,
    block_on,
};
use std::sync::Mutex;

/// The processes that have reacted, in order.
static REACTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Those before an event that fails react once more, without it.
fn reacted() -> Vec<String> {
    let mut reacted = REACTED.lock().unwrap().clone();
    reacted.dedup();
    reacted
}

/// Cannot say which process an event of "nobody" belongs to.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "nervous", id = String, events(Told))]
struct Nervous;

impl React<Told> for Nervous {
    fn process(event: &Told, _: &RecordedEventRef<'_>) -> Option<String> {
        assert_ne!(event.process, "nobody", "on purpose");
        Some(event.process.clone())
    }

    fn react(&mut self, event: Told, _: &mut Reactions<Self>) {
        REACTED.lock().unwrap().push(event.process);
    }
}

#[test]
fn an_event_whose_process_cannot_be_named_follows_the_policy() {
    let store = MemoryStore::new();
    for process in ["a", "nobody", "b"] {
        tell(&store, process, []);
    }
    let program = |options| {
        let nervous = Processes::<Nervous>::new(StartFrom::Start).options(options);
        Midgard::new(store.clone()).process_manager(nervous)
    };
    let stopping = program(soon().on_failure(at_once()));
    let handle = stopping.handle();
    let ended = block_on(stopping.catch_up());
    let Err(RunError::Failed { place, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(place, Some(Place::main(Position(2))));
    assert_eq!(handle.status()[0].state, ConsumerState::Failed);
    assert_eq!(reacted(), ["a"]);

    let parking = program(soon().on_failure(at_once().then_park()));
    let handle = parking.handle();
    block_on(parking.catch_up()).unwrap();
    let letters = block_on(handle.dead_letters("nervous")).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].place, &*letters[0].sequence),
        (Place::main(Position(2)), "told")
    );
    assert!(
        letters[0].error.contains("on purpose"),
        "{}",
        letters[0].error
    );
    assert_eq!(reacted(), ["a", "b"]);
}
