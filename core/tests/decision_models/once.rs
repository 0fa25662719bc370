//! Commands on models that take effect once for each key.

use super::courses::{
    Define, Refused, StudentCourses, Subscribe, Subscription, Teacher, TeacherHired, defined, log,
    rival, seats, subscribed, subscription, with_course,
};
use crate::logs::{WEST, two_logs};
use midgard::clock::ManualClock;
use midgard::decision_model::Instance;
use midgard::event::RecordedEventRef;
use midgard::repository::{ExecuteError, LoadError, Repositories, UnitOfWork};
use midgard::store::{
    EntryWrite, ExpectedVersion, Layer, Layered, ReadEntries, ReadLog, StoreError, Visit,
};
use midgard::{
    Aggregate, Apply, Command, Event, Events, MemoryStore, Place, Position, Store, StreamName,
    Timestamp, block_on, events,
};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[test]
fn a_command_takes_effect_once_and_a_repeat_is_answered_as_the_first_time() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let once = |key| courses.execute_once(key, subscription(1, "ann"), &Subscribe);
        let first = once("request-1").await.unwrap();
        store
            .append(rival(&subscribed(1, "ben"), "s-2"))
            .await
            .unwrap();
        let again = once("request-1").await.unwrap();
        assert_eq!(
            (again.model(), again.place()),
            (first.model(), first.place())
        );
        assert_eq!(again.place(), Some(Place::main(Position(2))));
        assert_eq!(log(&store).await.len(), 3);

        let other = once("request-2").await;
        assert!(matches!(other, Err(ExecuteError::Rejected(Refused::Full))));
    });
}

#[test]
fn a_command_without_events_is_done_once_too() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let once = || courses.execute_once("request-1", seats(1), &Define(2));
        once().await.unwrap();
        let changed = rival(&defined(1, 7), "course:1");
        store.append(changed).await.unwrap();
        let again = once().await.unwrap();
        assert_eq!((again.model().capacity, again.place()), (2, None));
    });
}

#[test]
fn a_key_that_is_used_twice_at_once_has_one_effect_and_one_answer() {
    let store = MemoryStore::new();
    let courses = block_on(with_course(store));
    block_on(courses.execute(seats(1), &Define(100))).unwrap();
    for round in 0..100_u32 {
        let key = format!("request-{round}");
        let once = || {
            let model = seats_and(format!("student-{round}"));
            let decided = courses.execute_once(&key, model, &Subscribe);
            let decided = block_on(decided).unwrap();
            (decided.place(), decided.into_model())
        };
        let answers = thread::scope(|scope| {
            let both = [scope.spawn(once), scope.spawn(once)];
            both.map(|thread| thread.join().unwrap())
        });
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].1.0.taken, round + 1);
    }
}

/// A store in which something happens right before the next read of the log.
struct Ahead {
    inner: MemoryStore,
    first: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Layer for Ahead {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        let first = self.first.lock().unwrap().take();
        if let Some(first) = first {
            first();
        }
        self.inner.read_log(read, visit).await
    }
}

/// Subscribes Ann to a course of so many seats under one key, twice at once, without a second try; returns the second answer.
fn subscribe_at_once(capacity: u32) -> Result<Option<Place>, ExecuteError<Refused>> {
    let inner = MemoryStore::new();
    let courses = block_on(with_course(inner.clone()));
    block_on(courses.execute(seats(1), &Define(capacity))).unwrap();
    let once = |courses: &Repositories<_>| {
        let model = subscription(1, "ann");
        let decided = courses.execute_once("request-1", model, &Subscribe);
        block_on(decided).unwrap().place()
    };
    // It takes a seat after the second has found nothing under the key, and before it reads the model.
    let first = Box::new(move || {
        assert_eq!(once(&courses), Some(Place::main(Position(3))));
    });
    let second = Repositories::new(Arc::new(Layered::new(Ahead {
        inner,
        first: Mutex::new(Some(first)),
    })));
    let second = second.with_retries(0);
    let again = second.execute_once("request-1", subscription(1, "ann"), &Subscribe);
    block_on(again).map(|decided| decided.place())
}

#[test]
fn a_key_that_is_used_twice_at_once_is_not_refused_for_its_own_effect() {
    let answer = subscribe_at_once(1).unwrap();
    assert_eq!(answer, Some(Place::main(Position(3))));
}

#[test]
fn a_key_that_is_used_twice_at_once_meets_no_conflict_with_its_own_effect_on_the_last_try() {
    let answer = subscribe_at_once(5).unwrap();
    assert_eq!(answer, Some(Place::main(Position(3))));
}

#[test]
fn aggregates_alone_are_as_they_were_the_first_time() {
    block_on(async {
        let store = MemoryStore::new();
        let hired = || rival(&TeacherHired {}, "teacher-kim");
        store.append(hired()).await.unwrap();
        let teachers = Repositories::new(store.clone());
        let kim = || Instance::<Teacher>::of("kim");
        let first = teachers.execute_once("look", kim(), &Look);
        assert_eq!(first.await.unwrap().model().hired, 1);
        store.append(hired()).await.unwrap();
        let again = teachers.execute_once("look", kim(), &Look);
        assert_eq!(again.await.unwrap().model().hired, 1);
    });
}

/// Decides nothing.
struct Look;

impl<A: Aggregate> Command<Instance<A>> for Look {
    type Error = Refused;

    fn decide(&self, _: &Instance<A>) -> Result<Events<Instance<A>>, Refused> {
        Ok(Events::none())
    }
}

fn seats_and(student: String) -> Subscription {
    (seats(1), StudentCourses::of(student))
}

#[test]
fn a_key_that_is_forgotten_has_an_effect_again() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let once = || courses.execute_once("request-1", subscription(1, "ann"), &Subscribe);
        once().await.unwrap();
        let later = Timestamp::from_micros(Timestamp::now().as_micros() + 1_000_000);
        assert_eq!(courses.forget_keys(later).await.unwrap(), 1);
        once().await.unwrap();
        assert_eq!(log(&store).await.len(), 3);
    });
}

#[test]
fn keys_of_units_of_work_are_forgotten_with_those_of_models() {
    block_on(async {
        let clock = ManualClock::at("2001-02-03T04:05:06Z".parse().unwrap());
        let store = MemoryStore::with_clock(&clock);
        let courses = with_course(store).await.with_clock(&clock);
        let unit = async |_: &mut UnitOfWork<_>| -> Result<u64, ExecuteError<Refused>> { Ok(7) };
        let model = |key| courses.execute_once(key, subscription(1, "ann"), &Subscribe);
        courses.execute_together_once("u-1", unit).await.unwrap();
        model("m-1").await.unwrap();
        clock.advance(Duration::from_secs(60));
        courses.execute_together_once("u-2", unit).await.unwrap();
        model("m-2").await.unwrap();
        assert_eq!(courses.forget_keys(clock.now()).await.unwrap(), 2);
        let mut left = Vec::new();
        let each = &mut |key: &[u8], _: &[u8]| {
            left.push(String::from_utf8_lossy(key).into_owned());
            ControlFlow::Continue(())
        };
        let read = ReadEntries::prefix(b"once/");
        courses.store().read_entries(&read, each).await.unwrap();
        assert_eq!(left, ["once//u-2", "once/decision-models/m-2"]);
    });
}

/// A store that counts the events of the log that were looked at.
#[derive(Default)]
struct Counting {
    inner: MemoryStore,
    visited: AtomicUsize,
}

impl Layer for Counting {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        let counted = &mut |event: RecordedEventRef<'_>| {
            self.visited.fetch_add(1, Ordering::Relaxed);
            visit(event)
        };
        self.inner.read_log(read, counted).await
    }
}

/// Defines the course, and subscribes the student: two events in two streams.
struct Open;

impl Command<Subscription> for Open {
    type Error = Refused;

    fn decide(&self, (seats, student): &Subscription) -> Result<Events<Subscription>, Refused> {
        Ok(events![
            defined(seats.course.0, 5),
            subscribed(seats.course.0, &student.student)
        ])
    }
}

#[test]
fn a_repeat_is_answered_from_what_is_left_of_the_first_time_without_the_rest_of_the_log() {
    block_on(async {
        let store = Arc::new(Layered::new(Counting::default()));
        let courses = Repositories::new(store.clone());
        let once = || courses.execute_once("request-1", subscription(1, "ann"), &Open);
        let end = async |stream: &str| {
            let stream = StreamName::new(stream).unwrap();
            let ended = store.tombstone(&stream, ExpectedVersion::Any);
            ended.await.unwrap();
        };
        let first = once().await.unwrap();
        assert_eq!(first.place(), Some(Place::main(Position(2))));
        end("course:1").await;
        for _ in 0..50 {
            let hired = rival(&TeacherHired {}, "teacher-kim");
            store.append(hired).await.unwrap();
        }
        let visited = &store.layer().visited;
        visited.store(0, Ordering::Relaxed);
        let again = once().await.unwrap();
        assert_eq!(again.place(), first.place());
        let (seats, student) = again.model();
        assert_eq!((seats.taken, student.courses), (1, 1));
        // The last event, to find it, and to apply it.
        assert_eq!(visited.load(Ordering::Relaxed), 2);

        end("student:ann").await;
        let gone = once().await;
        assert!(
            matches!(
                gone,
                Err(ExecuteError::Load(LoadError::Tombstoned { ref stream, .. })) if stream.as_str() == "student:ann"
            ),
            "{gone:?}"
        );
    });
}

/// Leaves out of the note under the only key what earlier releases did not note; returns the number of fields left.
async fn as_noted_by_an_earlier_release(store: &impl Store) -> usize {
    let mut noted = Vec::new();
    let each = &mut |key: &[u8], value: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(value).unwrap();
        noted.push((key.to_vec(), value));
        ControlFlow::Continue(())
    };
    let read = ReadEntries::prefix(b"once/");
    store.read_entries(&read, each).await.unwrap();
    let (key, mut value) = noted.pop().unwrap();
    let seen = value["value"].as_object_mut().unwrap();
    seen.retain(|name, _| ["after", "first", "events"].contains(&name.as_str()));
    let left = seen.len();
    let write = EntryWrite::new().put(&key, &serde_json::to_vec(&value).unwrap());
    store.write_entries(write).await.unwrap();
    left
}

#[test]
fn a_key_that_an_earlier_release_has_noted_is_answered_as_the_first_time() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let once = || courses.execute_once("request-1", subscription(1, "ann"), &Subscribe);
        let first = once().await.unwrap();
        assert_eq!(as_noted_by_an_earlier_release(&store).await, 3);
        let other = rival(&subscribed(1, "ben"), "s-2");
        store.append(other).await.unwrap();
        let again = once().await.unwrap();
        assert_eq!(
            (again.model(), again.place()),
            (first.model(), first.place())
        );
    });
}

#[test]
fn a_key_that_an_earlier_release_has_noted_is_not_answered_without_its_events() {
    block_on(async {
        let store = MemoryStore::new();
        let courses = with_course(store.clone()).await;
        let once = || courses.execute_once("request-1", subscription(1, "ann"), &Subscribe);
        once().await.unwrap();
        as_noted_by_an_earlier_release(&store).await;
        let stream = StreamName::new("student:ann").unwrap();
        let ended = store.tombstone(&stream, ExpectedVersion::Any);
        ended.await.unwrap();
        let error = once().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the store could not tell what was answered under a key: the entry \"once/decision-models/request-1\" was \
             written by an earlier release, and its events are no longer found; the command was executed: read the \
             model instead of repeating the command"
        );
    });
}

#[test]
fn a_key_that_an_earlier_release_has_noted_is_not_answered_from_another_log() {
    block_on(async {
        let west = Repositories::new(Arc::new(two_logs()));
        let model = || Instance::<Westerner>::of(&1);
        let hire = HireIn("westerner-1");
        west.execute(model(), &hire).await.unwrap();
        let once = || west.execute_once("k-1", model(), &Look);
        assert_eq!(once().await.unwrap().model().hired, 1);
        west.execute(model(), &hire).await.unwrap();
        assert_eq!(once().await.unwrap().model().hired, 1);
        as_noted_by_an_earlier_release(west.store()).await;
        let error = once().await.unwrap_err().to_string();
        let said = "it does not tell which version of stream \"westerner-1\" was read";
        assert!(error.contains(said), "{error}");
    });
}

/// An aggregate whose streams are in the second of two logs.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "westerner", id = u32, events(TeacherHired))]
pub(super) struct Westerner {
    hired: u32,
}

impl Apply<TeacherHired> for Westerner {
    fn apply(&mut self, _: TeacherHired) {
        self.hired += 1;
    }
}

/// Hires somebody, in this stream.
pub(super) struct HireIn(pub(super) &'static str);

impl Command<Instance<Westerner>> for HireIn {
    type Error = Refused;

    fn decide(&self, _: &Instance<Westerner>) -> Result<Events<Instance<Westerner>>, Refused> {
        Ok(events![TeacherHired {}.to(self.0)])
    }
}

#[test]
fn a_repeat_is_answered_as_the_first_time_in_any_log() {
    block_on(async {
        let west = Repositories::new(Arc::new(two_logs()));
        let model = || Instance::<Westerner>::of(&1);
        let hire = HireIn("westerner-1");
        west.execute(model(), &hire).await.unwrap();
        let once = || west.execute_once("k-1", model(), &hire);
        let first = once().await.unwrap();
        let place = Some(Place::new(WEST, Position(2)));
        assert_eq!((first.model().hired, first.place()), (2, place));
        west.execute(model(), &hire).await.unwrap();
        let again = once().await.unwrap();
        assert_eq!((again.model().hired, again.place()), (2, place));

        // An event that goes elsewhere.
        let elsewhere = HireIn("west");
        let once = || west.execute_once("k-2", model(), &elsewhere);
        let first = once().await.unwrap();
        let place = Some(Place::new(WEST, Position(4)));
        assert_eq!((first.model().hired, first.place()), (3, place));
        west.execute(model(), &hire).await.unwrap();
        let again = once().await.unwrap();
        assert_eq!((again.model().hired, again.place()), (3, place));
    });
}
