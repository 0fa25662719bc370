//! Commands on models that take effect once for each key.

use super::courses::{
    Define, Refused, StudentCourses, Subscribe, Subscription, Teacher, TeacherHired, defined, log,
    rival, seats, subscribed, subscription, with_course,
};
use midgard::clock::ManualClock;
use midgard::decision_model::Instance;
use midgard::repository::{ExecuteError, Repositories, UnitOfWork};
use midgard::store::{Layer, Layered, ReadEntries, ReadLog, StoreError, Visit};
use midgard::{Command, Events, MemoryStore, Place, Position, Store, Timestamp, block_on};
use std::ops::ControlFlow;
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

#[test]
fn a_key_that_is_used_twice_at_once_is_not_refused_for_its_own_effect() {
    let inner = MemoryStore::new();
    let courses = block_on(with_course(inner.clone()));
    block_on(courses.execute(seats(1), &Define(1))).unwrap();
    let once = |courses: &Repositories<_>| {
        let model = subscription(1, "ann");
        let decided = courses.execute_once("request-1", model, &Subscribe);
        block_on(decided).unwrap().place()
    };
    // It takes the last seat after the second has found nothing under the key, and before it reads the model.
    let first = Box::new(move || {
        assert_eq!(once(&courses), Some(Place::main(Position(3))));
    });
    let second = Repositories::new(Arc::new(Layered::new(Ahead {
        inner,
        first: Mutex::new(Some(first)),
    })));
    let model = subscription(1, "ann");
    let again = second.execute_once("request-1", model, &Subscribe);
    let place = block_on(again).unwrap().place();
    assert_eq!(place, Some(Place::main(Position(3))));
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

impl Command<Instance<Teacher>> for Look {
    type Error = Refused;

    fn decide(&self, _: &Instance<Teacher>) -> Result<Events<Instance<Teacher>>, Refused> {
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
