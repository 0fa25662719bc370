//! Panics of what users write beside handlers: each is a failure that the policy of the event decides about.

use super::kit::{Counted, Seen, at_once, count};
use midgard::consumer::{ConsumerKind, ConsumerState, FailurePolicy, RunError, Status};
use midgard::{MemoryStore, Midgard, Place, Position, StartFrom, Subscription, block_on};
use std::borrow::Cow;
use std::fmt;

/// Runs a subscription whose function for sequences cannot do with the third event.
fn run(partitions: u32, policy: FailurePolicy) -> (Seen, Status, Result<(), RunError>) {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    for (stream, number) in [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4)] {
        count(&store, stream, [number]);
    }
    let odd = Subscription::events("odd", StartFrom::Start)
        .partitions(partitions)
        .on_failure(policy)
        .sequence_by(|event| {
            assert_ne!(event.position, Position(3), "on purpose");
            Cow::Borrowed(event.stream)
        });
    // With one partition, sequences are only asked for when something is parked.
    let refuses = move |number| partitions == 1 && number == 2;
    let handler = seen.refuse(move |delivery| refuses(delivery.event.number));
    let midgard = Midgard::new(store).subscribe(odd, handler);
    let handle = midgard.handle();
    let ended = block_on(midgard.catch_up());
    (seen, handle.status_of("odd").unwrap(), ended)
}

#[test]
fn an_event_whose_sequence_cannot_be_named_is_parked_with_its_stream() {
    for partitions in [1, 2] {
        let (seen, status, ended) = run(partitions, at_once().then_park());
        ended.unwrap();
        let mut all = seen.all();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 3], "{status}");
        assert_eq!(status.parked, 1, "{status}");
    }
}

#[test]
fn an_event_whose_sequence_cannot_be_named_is_skipped_or_stopped_at() {
    let (seen, status, ended) = run(2, at_once().then_skip());
    ended.unwrap();
    let mut all = seen.all();
    all.sort_unstable();
    assert_eq!((all, status.skipped), (vec![0, 1, 3, 4], 1));
    let message = status.last_error.unwrap().message;
    assert!(
        message.starts_with("the function that names the sequence of the event panicked: "),
        "{message}"
    );
    let (_, status, ended) = run(2, at_once());
    assert_eq!(status.state, ConsumerState::Failed);
    let Err(RunError::Failed { place, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(place, Some(Place::main(Position(3))));
}

/// An error without words.
#[derive(Debug)]
struct Speechless;

impl fmt::Display for Speechless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Speechless {}

#[test]
fn an_error_whose_text_panics_or_is_endless_follows_the_policy() {
    let (store, seen) = (MemoryStore::new(), Seen::default());
    count(&store, "a", 0..3);
    let noted = seen.clone();
    let midgard = Midgard::new(store).subscribe(
        Subscription::<Counted>::events("odd", StartFrom::Start).on_failure(at_once().then_park()),
        move |delivery| {
            let noted = noted.clone();
            async move {
                match delivery.event.number {
                    0 => Err(Speechless.into()),
                    number => {
                        noted.note(number);
                        Ok(())
                    }
                }
            }
        },
    );
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let [first, ..] = &*block_on(handle.dead_letters("odd")).unwrap() else {
        panic!("nothing is parked")
    };
    assert_eq!(
        first.error,
        "an error whose text could not be made, as that panicked: no words"
    );
    assert_eq!(
        seen.all(),
        [0; 0],
        "the others of its stream wait behind it"
    );
    let (store, long) = (MemoryStore::new(), "x".repeat(17 << 20));
    count(&store, "a", [0]);
    let subscription =
        Subscription::<Counted>::events("long", StartFrom::Start).on_failure(at_once().then_park());
    let midgard = Midgard::new(store).subscribe(subscription, move |_| {
        let error = long.clone();
        async { Err(error.into()) }
    });
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let letters = block_on(handle.dead_letters("long")).unwrap();
    let error = &letters[0].error;
    assert!(error.len() < 20_000, "{}", error.len());
    assert!(error.ends_with("x.. (17825792 bytes in all)"));
    assert_eq!(handle.status()[0].kind, ConsumerKind::Subscription);
}
