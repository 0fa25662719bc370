//! Decide, append, and decide again.

use super::courses::{
    Define, Refused, Subscribe, contended, defined, log, names_and_streams, rival, seats,
    subscribed, subscription, with_course,
};
use midgard::event::EncodeReason;
use midgard::repository::{ExecuteError, Repositories};
use midgard::store::AppendError;
use midgard::testing::given_model;
use midgard::{
    Apply, Command, DecisionModel, Event, EventId, Events, MemoryStore, Metadata, Place, Position,
    StreamName, block_on, events,
};
use serde::{Deserialize, Serialize};

#[test]
fn a_decision_is_appended_and_applied() {
    block_on(async {
        let courses = with_course(MemoryStore::new()).await;
        let decided = courses.execute(subscription(1, "ann"), &Subscribe).await;
        let decided = decided.unwrap();
        assert_eq!(decided.place(), Some(Place::main(Position(2))));
        let (seats, student) = decided.model();
        assert_eq!((seats.capacity, seats.taken, student.courses), (2, 1, 1));
        let (seats, _) = decided.into_model();
        let read = courses.execute(super::courses::seats(1), &Define(2)).await;
        assert_eq!(read.unwrap().into_model(), seats);
    });
}

#[test]
fn a_refused_command_and_one_without_events_append_nothing() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let full = courses.execute(subscription(2, "ann"), &Subscribe).await;
        assert!(matches!(full, Err(ExecuteError::Rejected(Refused::Full))));
        let same = courses.execute(seats(1), &Define(2)).await.unwrap();
        assert_eq!((same.place(), same.model().capacity), (None, 2));
        assert_eq!(log(&store).await.len(), 1);
    });
}

#[test]
fn after_a_conflict_only_what_is_new_is_read() {
    block_on(async {
        // Somebody else takes a seat twice, each time before the append.
        let store = contended([
            rival(&subscribed(1, "cy"), "s-3"),
            rival(&subscribed(1, "ben"), "s-2"),
        ]);
        let courses = Repositories::new(store.clone());
        store.layer().inner.append_now(&defined(1, 3)).await;
        let decided = courses.execute(subscription(1, "ann"), &Subscribe).await;
        assert_eq!(decided.unwrap().model().0.taken, 3);
        let reads = store.layer().reads.lock().unwrap().clone();
        assert_eq!(reads, [Position(1), Position(2), Position(3)]);
    });
}

#[test]
fn the_last_seat_is_taken_once() {
    block_on(async {
        let store = contended([rival(&subscribed(1, "ben"), "s-2")]);
        store.layer().inner.append_now(&defined(1, 1)).await;
        let courses = Repositories::new(store);
        let decided = courses.execute(subscription(1, "ann"), &Subscribe).await;
        assert!(matches!(
            decided,
            Err(ExecuteError::Rejected(Refused::Full))
        ));
    });
}

#[test]
fn what_the_model_does_not_depend_on_is_no_conflict() {
    block_on(async {
        let store = contended([rival(&subscribed(2, "ben"), "s-2")]);
        store.layer().inner.append_now(&defined(1, 1)).await;
        let courses = Repositories::new(store.clone()).with_retries(0);
        let decided = courses.execute(subscription(1, "ann"), &Subscribe).await;
        assert_eq!(decided.unwrap().place(), Some(Place::main(Position(3))));
    });
}

#[test]
fn a_decision_that_meets_a_conflict_on_each_try_says_so() {
    block_on(async {
        let rivals = (0..2).map(|_| rival(&defined(1, 9), "course:1"));
        let store = contended(rivals);
        let courses = Repositories::new(store).with_retries(1);
        let decided = courses.execute(seats(1), &Define(4)).await.unwrap_err();
        let ExecuteError::Conflict { tries, last } = decided else {
            panic!("{decided:?}");
        };
        assert!(
            tries == 2 && matches!(last, AppendError::ConditionFailed { .. }),
            "{last}"
        );
    });
}

trait AppendNow {
    async fn append_now(&self, event: &impl Event);
}

impl AppendNow for MemoryStore {
    async fn append_now(&self, event: &impl Event) {
        use midgard::Store as _;
        self.append(rival(event, "course:1")).await.unwrap();
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "bell.rung")]
struct BellRung {}

#[derive(Debug, DecisionModel)]
#[decision(all, events(BellRung))]
struct Bells {
    rung: u32,
}

impl Apply<BellRung> for Bells {
    fn apply(&mut self, _: BellRung) {
        self.rung += 1;
    }
}

struct Decide(fn() -> Events<Bells>);

impl Command<Bells> for Decide {
    type Error = std::convert::Infallible;

    fn decide(&self, _: &Bells) -> Result<Events<Bells>, Self::Error> {
        Ok(self.0())
    }
}

#[test]
fn events_go_to_the_streams_that_they_name_or_to_that_of_their_first_tag() {
    block_on(async {
        let store = MemoryStore::new();
        let bells = Repositories::new(store.clone());
        let decide = Decide(|| {
            events![
                BellRung {},
                subscribed(1, "ann"),
                subscribed(2, "ann").to("s-7"),
                subscribed(3, "ann").to("s-7"),
                BellRung {}.to(StreamName::of::<super::courses::Teacher>("kim")),
            ]
        });
        let decided = bells.execute(Bells::of(), &decide).await.unwrap();
        assert_eq!(decided.model().rung, 2);
        assert_eq!(decided.place(), Some(Place::main(Position(5))));
        let log = log(&store).await;
        assert_eq!(
            names_and_streams(&log),
            [
                ("bell.rung", "event:bell.rung"),
                ("student.subscribed", "student:ann"),
                ("student.subscribed", "s-7"),
                ("student.subscribed", "s-7"),
                ("bell.rung", "teacher-kim"),
            ]
        );
        assert_eq!(log[3].version.get(), 2);
    });
}

#[test]
fn a_stream_that_cannot_be_named_so_fails_the_command() {
    block_on(async {
        let store = MemoryStore::new();
        let bells = Repositories::new(store.clone());
        let decide = Decide(|| events![BellRung {}, BellRung {}.to("")]);
        let decided = bells.execute(Bells::of(), &decide).await;
        assert!(matches!(decided, Err(ExecuteError::Append(_))));
        assert_eq!(log(&store).await.len(), 0);
    });
}

#[test]
fn when_an_apply_panics_nothing_is_appended() {
    let store = MemoryStore::new();
    let courses = Repositories::new(store.clone());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(block_on(courses.execute(seats(1), &Define(13))));
    }));
    panic.unwrap_err();
    assert_eq!(block_on(log(&store)).len(), 0);
}

#[test]
fn an_event_that_would_not_be_read_back_is_refused() {
    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "bell.measured")]
    struct Measured {
        volume: f64,
    }

    block_on(async {
        let store = MemoryStore::new();
        let bells = Repositories::new(store.clone());
        let decide = Decide(|| events![Measured { volume: f64::NAN }.to("bell-1")]);
        let error = bells.execute(Bells::of(), &decide).await;
        let Err(ExecuteError::Append(AppendError::Encode(error))) = error else {
            panic!("{error:?}");
        };
        assert!(matches!(error.reason, EncodeReason::Unreadable(_)));
        assert_eq!(error.stream, Some(StreamName::new("bell-1").unwrap()));
        bells
            .without_read_back()
            .execute(Bells::of(), &decide)
            .await
            .unwrap();
        assert_eq!(log(&store).await.len(), 1);
    });
}

#[test]
fn all_events_of_a_decision_have_its_metadata_and_one_correlation() {
    block_on(async {
        let store = MemoryStore::new();
        let bells = Repositories::new(store.clone());
        let decide = Decide(|| events![BellRung {}, BellRung {}.to("bell-1")]);
        let cause = EventId::new();
        let metadata = Metadata::new()
            .with_causation_id(cause)
            .with_header("user", "ann");
        let decided = bells.execute_with(Bells::of(), &decide, &metadata).await;
        decided.unwrap();
        let log = log(&store).await;
        for event in &log {
            assert_eq!(event.metadata.correlation_id(), Some(log[0].id));
            assert_eq!(event.metadata.causation_id(), Some(cause));
            assert_eq!(event.metadata.headers().get("user"), Some("ann"));
        }
    });
}

#[test]
fn a_command_on_a_model_can_be_sent_to_another_thread() {
    async fn subscribe(courses: Repositories<MemoryStore>) -> u32 {
        let decided = courses.execute(subscription(1, "ann"), &Subscribe).await;
        decided.unwrap().model().0.taken
    }
    let courses = block_on(with_course(MemoryStore::new()));
    let taken = std::thread::spawn(move || block_on(subscribe(courses)));
    assert_eq!(taken.join().unwrap(), 1);
}

#[test]
fn a_model_that_was_read_is_read_from_its_beginning_when_it_is_passed_again() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let decided = courses.execute(subscription(1, "ann"), &Subscribe).await;
        let read = decided.unwrap().into_model();
        assert_eq!((read.0.taken, read.1.courses), (1, 1));
        let read = courses.load(read).await.unwrap();
        assert_eq!((read.0.taken, read.1.courses), (1, 1));
        // The second course of the student, and the last seat: neither counted twice.
        let decided = courses.execute(read, &Subscribe).await;
        let read = decided.unwrap().into_model();
        assert_eq!((read.0.capacity, read.0.taken, read.1.courses), (2, 2, 2));
        let done =
            courses.execute_together(async |unit| -> Result<(u32, u32), ExecuteError<Refused>> {
                let read = unit.load_model(subscription(1, "ann")).await?;
                let (seats, student) = unit.load_model(read).await?;
                Ok((seats.taken, student.courses))
            });
        assert_eq!(done.await.unwrap().value, (2, 2));

        // The value that a field without a tag is given makes no difference.
        let given = super::courses::CourseSeats {
            capacity: 9,
            taken: 7,
            ..seats(1)
        };
        let read = courses.load(given).await.unwrap();
        assert_eq!((read.capacity, read.taken), (2, 2));
        given_model(read, [subscribed(1, "ben")])
            .when(Define(3))
            .then([defined(1, 3)])
            .then_state(|seats| assert_eq!((seats.capacity, seats.taken), (3, 1)));
    });
}
