//! Decision models in units of work, together with aggregates and with each other.

use super::courses::{
    Contended, CourseDefined, CourseId, CourseSeats, Define, Refused, StudentCourses, Subscribe,
    Subscription, Teacher, TeacherHired, contended, defined, log, names_and_streams, rival, seats,
    subscribed, subscription, with_course,
};
use super::once::{HireIn, Westerner};
use crate::logs::{WEST, two_logs};
use midgard::decision_model::Instance;
use midgard::repository::{Committed, ExecuteError, LoadError, Repositories, UnitOfWork};
use midgard::store::{AppendError, ExpectedVersion, Layered, StoreError};
use midgard::{
    Aggregate, Apply, Command, Event, Events, LogId, MemoryStore, Place, Position, Store,
    StreamName, Version, block_on, events,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

type Done<T = ()> = Result<T, ExecuteError<Refused>>;

/// The courses of a year, as an aggregate: its events are those of the models, too.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "catalogue", id = u32, events(CourseDefined))]
struct Catalogue {
    courses: u32,
}

impl Apply<CourseDefined> for Catalogue {
    fn apply(&mut self, _: CourseDefined) {
        self.courses += 1;
    }
}

/// Offers course 1.
struct Offer {
    capacity: u32,
}

impl Command<Catalogue> for Offer {
    type Error = Refused;

    fn decide(&self, _: &Catalogue) -> Result<Events<Catalogue>, Refused> {
        Ok(events![defined(1, self.capacity)])
    }
}

/// Hires a teacher once.
struct Hire;

impl Command<Teacher> for Hire {
    type Error = Refused;

    fn decide(&self, teacher: &Teacher) -> Result<Events<Teacher>, Refused> {
        match teacher.hired {
            0 => Ok(events![TeacherHired {}]),
            _ => Err(Refused::Full),
        }
    }
}

type Teaching = (Instance<Teacher>, StudentCourses);

/// Hires the teacher of the model once, and subscribes the student to course 1.
struct Teach;

impl Command<Teaching> for Teach {
    type Error = Refused;

    fn decide(&self, (teacher, student): &Teaching) -> Result<Events<Teaching>, Refused> {
        match teacher.hired {
            0 => Ok(events![
                subscribed(1, &student.student),
                TeacherHired {}.to(StreamName::of::<Teacher>("kim")),
            ]),
            _ => Err(Refused::Full),
        }
    }
}

fn teaching() -> Teaching {
    (Instance::of("kim"), StudentCourses::of("ann".to_owned()))
}

/// Repositories of a store in which course 1 has this capacity.
async fn contended_course(
    capacity: u32,
) -> (
    Arc<Layered<Contended>>,
    Repositories<Arc<Layered<Contended>>>,
) {
    let store = contended([]);
    let first = rival(&defined(1, capacity), "course:1");
    store.layer().inner.append(first).await.unwrap();
    (store.clone(), Repositories::new(store))
}

fn overtake(store: &Arc<Layered<Contended>>, event: &impl Event, stream: &str) {
    let rivals = &store.layer().rivals;
    rivals.lock().unwrap().push(rival(event, stream));
}

async fn subscribe_and_hire<S: Store>(unit: &mut UnitOfWork<S>) -> Done<u32> {
    let (seats, _) = unit
        .execute_on_model(subscription(1, "ann"), &Subscribe)
        .await?;
    unit.execute::<Teacher, _>("kim", &Hire).await?;
    Ok(seats.taken)
}

#[test]
fn a_model_and_an_aggregate_are_decided_in_one_append() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await;
        let done = school.execute_together(async |unit| subscribe_and_hire(unit).await);
        let done = done.await.unwrap();
        assert_eq!(
            (done.value, done.place),
            (1, Some(Place::main(Position(3))))
        );
        let events = log(&store).await;
        assert_eq!(
            names_and_streams(&events[1..]),
            [
                ("student.subscribed", "student:ann"),
                ("teacher.hired", "teacher-kim")
            ]
        );
        let correlation = events[1].metadata.correlation_id();
        assert_eq!(correlation, Some(events[1].id));
        assert_eq!(events[2].metadata.correlation_id(), correlation);

        // Kim was hired, so nobody is subscribed.
        let again = school.execute_together(async |unit| {
            unit.execute_on_model(subscription(1, "ben"), &Subscribe)
                .await?;
            Ok(unit.execute::<Teacher, _>("kim", &Hire).await?.hired)
        });
        let again = again.await;
        assert!(matches!(again, Err(ExecuteError::Rejected(Refused::Full))));
        assert_eq!(log(&store).await.len(), 3);
    });
}

#[test]
fn the_last_seat_is_taken_once_and_the_unit_is_decided_again() {
    block_on(async {
        let (store, school) = contended_course(1).await;
        overtake(&store, &subscribed(1, "ben"), "s-2");
        let done = school.execute_together(async |unit| subscribe_and_hire(unit).await);
        let done = done.await;
        assert!(matches!(done, Err(ExecuteError::Rejected(Refused::Full))));
        assert_eq!(log(&store.layer().inner).await.len(), 2, "nobody is hired");
    });
}

#[test]
fn each_of_two_models_must_be_as_it_was_read() {
    block_on(async {
        let (store, school) = contended_course(9).await;
        let school = school.with_retries(0);
        let decide = async || {
            school
                .execute_together(async |unit| -> Done {
                    unit.load_model(StudentCourses::of("ann".to_owned()))
                        .await?;
                    unit.execute_on_model(seats(2), &Define(4)).await?;
                    Ok(())
                })
                .await
        };
        for (event, is_conflict) in [
            (subscribed(1, "ben"), false),
            (subscribed(1, "ann"), true),
            (subscribed(2, "ben"), true),
        ] {
            overtake(&store, &event, "s-1");
            match decide().await {
                Ok(_) => assert!(!is_conflict, "{event:?}"),
                Err(ExecuteError::Conflict { last, .. }) => {
                    assert!(is_conflict, "{event:?}");
                    assert!(matches!(last, AppendError::ConditionFailed { .. }));
                }
                Err(error) => panic!("{error:?}"),
            }
            // Course 2 is as it was.
            let redefined = rival(&defined(2, 0), "course:2");
            store.layer().inner.append(redefined).await.unwrap();
        }
    });
}

#[test]
fn what_is_read_later_is_as_of_the_moment_of_the_first_model() {
    block_on(async {
        let (store, school) = contended_course(9).await;
        // Right after the first model was read, somebody changes all that is read after it.
        let rivals = rival(&subscribed(1, "ann"), "s-1").and(
            StreamName::new("teacher-kim").unwrap(),
            ExpectedVersion::Any,
            [midgard::event::NewEvent::encode(&TeacherHired {}).unwrap()],
        );
        *store.layer().after_read.lock().unwrap() = Some(rivals);
        let tries = AtomicU32::new(0);
        let done = school.execute_together(async |unit| -> Done<(u32, u32, u32, u32)> {
            let is_first = tries.fetch_add(1, Ordering::Relaxed) == 0;
            let seen = u32::from(!is_first);
            let seats = unit.load_model(seats(1)).await?;
            let (kim, student) = unit.load_model(teaching()).await?;
            let teacher = unit.load::<Teacher>("kim").await?;
            let read = (seats.taken, student.courses, kim.hired, teacher.hired);
            assert_eq!(read, (seen, seen, seen, seen));
            unit.execute_on_model(super::courses::seats(2), &Define(1))
                .await?;
            Ok(read)
        });
        assert_eq!(done.await.unwrap().value, (1, 1, 1, 1));
        assert_eq!(tries.into_inner(), 2);
    });
}

/// Subscribes the student to course 2, unless the student has a course without a teacher, as nobody ever has.
struct SubscribeAgain;

impl Command<Teaching> for SubscribeAgain {
    type Error = Refused;

    fn decide(&self, (teacher, student): &Teaching) -> Result<Events<Teaching>, Refused> {
        match student.courses > teacher.hired {
            true => Err(Refused::TooManyCourses),
            false => Ok(events![subscribed(2, &student.student)]),
        }
    }
}

/// Hires Kim, then subscribes Ann to course 1, as somebody else.
async fn hire_and_subscribe(store: &MemoryStore) {
    let hired = rival(&TeacherHired {}, "teacher-kim");
    store.append(hired).await.unwrap();
    let subscribed = rival(&subscribed(1, "ann"), "s-1");
    store.append(subscribed).await.unwrap();
}

#[test]
fn a_model_is_of_the_moment_of_the_aggregates_that_were_loaded_before() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await;
        let tries = AtomicU32::new(0);
        let done = school.execute_together(async |unit| -> Done<u32> {
            unit.load::<Teacher>("kim").await?;
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                hire_and_subscribe(&store).await;
            }
            let (kim, ann) = unit.execute_on_model(teaching(), &SubscribeAgain).await?;
            assert_eq!((kim.hired, ann.courses), (1, 2));
            Ok(ann.courses)
        });
        assert_eq!(done.await.unwrap().value, 2);
        assert_eq!(tries.into_inner(), 2);
    });
}

#[test]
fn a_unit_runs_again_after_it_was_overtaken_whatever_it_makes_of_that() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await;
        let tries = AtomicU32::new(0);
        let done = school.execute_together(async |unit| -> Done<Option<u32>> {
            unit.load::<Teacher>("kim").await?;
            if tries.fetch_add(1, Ordering::Relaxed) == 0 {
                hire_and_subscribe(&store).await;
            }
            let read = unit.load_model(teaching()).await;
            Ok(read.ok().map(|(kim, _)| kim.hired))
        });
        assert_eq!(done.await.unwrap().value, Some(1));

        let never = school.with_retries(1);
        let done = never.execute_together(async |unit| -> Done<u32> {
            unit.load::<Teacher>("kim").await?;
            hire_and_subscribe(&store).await;
            Ok(unit.load_model(teaching()).await?.0.hired)
        });
        let done = done.await;
        let Err(ExecuteError::Conflict { tries: 2, last }) = done else {
            panic!("{done:?}");
        };
        assert!(matches!(last, AppendError::Conflict { actual, .. } if actual == Version(3)));
    });
}

#[test]
fn a_unit_that_was_overtaken_by_its_own_key_on_its_last_try_is_answered_with_its_effect() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await.with_retries(0);
        let done = school.execute_together_once("k", async |unit| -> Done<u32> {
            unit.load::<Teacher>("kim").await?;
            let twin = school.execute_together_once("k", async |unit| -> Done<u32> {
                Ok(unit.execute::<Teacher, _>("kim", &Hire).await?.hired)
            });
            twin.await?;
            let (kim, _) = unit.load_model(teaching()).await?;
            Ok(kim.hired + 7)
        });
        let done = done.await.unwrap();
        assert_eq!(
            (done.value, done.place),
            (1, Some(Place::main(Position(2))))
        );
    });
}

#[test]
fn a_unit_runs_again_when_what_it_has_read_before_its_first_model_was_removed() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await.with_retries(1);
        let kim = StreamName::new("teacher-kim").unwrap();
        let tries = AtomicU32::new(0);
        // The events that came meanwhile are truncated already.
        let done = school.execute_together(async |unit| -> Done<Option<u32>> {
            if tries.fetch_add(1, Ordering::Relaxed) > 0 {
                return Ok(None);
            }
            unit.load::<Teacher>("kim").await?;
            hire_and_subscribe(&store).await;
            let truncated = store.truncate(&kim, Version(2), ExpectedVersion::Any);
            truncated.await.unwrap();
            Ok(Some(unit.load_model(seats(1)).await?.taken))
        });
        assert_eq!(done.await.unwrap().value, None);
        assert_eq!(tries.into_inner(), 2);

        let lee = StreamName::new("teacher-lee").unwrap();
        let hired = rival(&TeacherHired {}, "teacher-lee");
        store.append(hired).await.unwrap();
        let done = school.execute_together(async |unit| -> Done<u32> {
            unit.load::<Teacher>("lee").await?;
            let ended = store.tombstone(&lee, ExpectedVersion::Any);
            ended.await.unwrap();
            Ok(unit.load_model(seats(1)).await?.taken)
        });
        let done = done.await;
        assert!(
            matches!(done, Err(ExecuteError::Load(LoadError::Tombstoned { .. }))),
            "{done:?}"
        );
    });
}

#[test]
fn a_unit_does_not_run_again_for_what_came_after_its_first_model_or_went_elsewhere() {
    block_on(async {
        let (store, school) = contended_course(9).await;
        let hired = rival(&TeacherHired {}, "teacher-kim");
        let tries = AtomicU32::new(0);
        let done = school.execute_together(async |unit| -> Done<(u32, u32)> {
            tries.fetch_add(1, Ordering::Relaxed);
            unit.load::<Teacher>("kim").await?;
            let elsewhere = rival(&TeacherHired {}, "teacher-lee");
            store.layer().inner.append(elsewhere).await.unwrap();
            *store.layer().after_read.lock().unwrap() = Some(hired.clone());
            let (kim, ann) = unit.load_model(teaching()).await?;
            Ok((kim.hired, ann.courses))
        });
        assert_eq!(done.await.unwrap().value, (0, 0));
        assert_eq!(tries.into_inner(), 1);
    });
}

#[test]
fn a_model_of_the_main_log_and_an_aggregate_of_another_are_not_read_in_one_unit() {
    block_on(async {
        let school = with_course(Arc::new(two_logs())).await;
        let west = || Instance::<Westerner>::of(&1);
        let hire = HireIn("westerner-1");
        school.execute(west(), &hire).await.unwrap();
        let check = |read: Result<Committed<()>, ExecuteError<Refused>>| {
            let is_refused = matches!(
                read,
                Err(ExecuteError::Load(LoadError::Store(
                    StoreError::SeveralLogs {
                        one: LogId::MAIN,
                        other: WEST
                    }
                )))
            );
            assert!(is_refused, "{read:?}");
        };
        let later = school.execute_together(async |unit| -> Done {
            unit.load_model(seats(1)).await?;
            unit.load::<Westerner>(&1).await?;
            Ok(())
        });
        check(later.await);
        let before = school.execute_together(async |unit| -> Done {
            unit.load::<Westerner>(&1).await?;
            unit.load_model(west()).await?;
            unit.load_model(seats(1)).await?;
            Ok(())
        });
        check(before.await);
        let within = school.execute_together(async |unit| -> Done {
            unit.load_model((west(), seats(1))).await?;
            Ok(())
        });
        check(within.await);
        let alone = school.execute_together(async |unit| -> Done<u64> {
            let version = unit.load_model(west()).await?.version();
            unit.load::<Westerner>(&1).await?;
            Ok(version.get())
        });
        assert_eq!(alone.await.unwrap().value, 1);
    });
}

#[test]
fn a_model_sees_what_its_unit_has_decided_before() {
    block_on(async {
        let store = MemoryStore::new();
        let school = Repositories::new(store.clone());
        let done = school.execute_together(async |unit| -> Done<Subscription> {
            // An aggregate, another model, and a recorded event.
            unit.execute::<Catalogue, _>(&2026, &Offer { capacity: 3 })
                .await?;
            unit.execute_on_model(subscription(1, "ann"), &Subscribe)
                .await?;
            let imported = StreamName::new("import").map_err(LoadError::from)?;
            let imported = unit.record(imported, ExpectedVersion::Any, &subscribed(1, "ben"));
            imported.map_err(|error| ExecuteError::Append(error.into()))?;
            let read = unit.load_model(subscription(1, "ann")).await?;
            assert_eq!((read.0.capacity, read.0.taken, read.1.courses), (3, 2, 1));
            let last = unit
                .execute_on_model(subscription(1, "cy"), &Subscribe)
                .await?;
            let full = unit
                .execute_on_model(subscription(1, "dan"), &Subscribe)
                .await;
            assert!(matches!(full, Err(ExecuteError::Rejected(Refused::Full))));
            Ok(last)
        });
        let decided = done.await.unwrap().value;
        assert_eq!((decided.0.taken, decided.1.courses), (3, 1));
        let stored = school.load(subscription(1, "cy")).await.unwrap();
        assert_eq!(stored, decided);
        assert_eq!(log(&store).await.len(), 4);
    });
}

#[test]
fn an_aggregate_sees_what_models_of_its_unit_have_decided_and_the_other_way_round() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await;
        let done = school.execute_together(async |unit| -> Done {
            assert_eq!(unit.load::<Teacher>("kim").await?.hired, 0);
            let (kim, _) = unit.execute_on_model(teaching(), &Teach).await?;
            assert_eq!(kim.hired, 1);
            assert_eq!(unit.load::<Teacher>("kim").await?.hired, 1);
            let twice = unit.execute::<Teacher, _>("kim", &Hire).await;
            assert!(matches!(twice, Err(ExecuteError::Rejected(Refused::Full))));
            let (kim, student) = unit.load_model(teaching()).await?;
            assert_eq!((kim.hired, student.courses), (1, 1));
            assert_eq!(kim.version(), Version(1));
            // On top of it, at the next version.
            unit.execute::<Teacher, _>("lee", &Hire).await?;
            unit.execute_on_model(
                (Instance::of("lee"), StudentCourses::of("ben".to_owned())),
                &Rehire,
            )
            .await?;
            assert_eq!(unit.load::<Teacher>("lee").await?.hired, 2);
            Ok(())
        });
        done.await.unwrap();
        for (teacher, hired) in [("kim", 1), ("lee", 2)] {
            let teacher = school.of::<Teacher>().load(teacher).await.unwrap();
            assert_eq!(
                (teacher.state().hired, teacher.version()),
                (hired, Version(hired.into()))
            );
        }
    });
}

/// Hires Lee, whatever was before.
struct Rehire;

impl Command<Teaching> for Rehire {
    type Error = Refused;

    fn decide(&self, _: &Teaching) -> Result<Events<Teaching>, Refused> {
        let lee = StreamName::of::<Teacher>("lee");
        Ok(events![TeacherHired {}.to(lee)])
    }
}

#[test]
fn an_aggregate_of_a_model_must_be_at_its_version_although_no_event_goes_to_it() {
    block_on(async {
        let (store, school) = contended_course(9).await;
        overtake(&store, &TeacherHired {}, "teacher-kim");
        let tries = AtomicU32::new(0);
        let done = school.execute_together(async |unit| -> Done<u32> {
            tries.fetch_add(1, Ordering::Relaxed);
            let (kim, _) = unit.load_model(teaching()).await?;
            unit.execute_on_model(seats(1), &Define(kim.hired)).await?;
            Ok(kim.hired)
        });
        assert_eq!(done.await.unwrap().value, 1);
        assert_eq!(tries.into_inner(), 2);
    });
}

#[test]
fn a_refusal_that_the_unit_goes_on_from_must_still_hold() {
    block_on(async {
        let (store, school) = contended_course(0).await;
        overtake(&store, &defined(1, 5), "course:1");
        let done = school.execute_together(async |unit| -> Done<bool> {
            let subscribed = unit
                .execute_on_model(subscription(1, "ann"), &Subscribe)
                .await;
            let is_full = match subscribed {
                Err(ExecuteError::Rejected(_)) => true,
                subscribed => subscribed.map(|_| false)?,
            };
            unit.execute::<Teacher, _>("kim", &Hire).await?;
            Ok(is_full)
        });
        assert!(!done.await.unwrap().value, "the course has seats by then");
    });
}

#[test]
fn a_unit_that_only_reads_models_appends_nothing() {
    block_on(async {
        let (store, school) = contended_course(3).await;
        overtake(&store, &subscribed(1, "ben"), "s-1");
        let done = school.execute_together(async |unit| -> Done<CourseSeats> {
            Ok(unit.load_model(seats(1)).await?)
        });
        let done = done.await.unwrap();
        assert_eq!((done.value.capacity, done.place), (3, None));
        assert_eq!(store.layer().rivals.lock().unwrap().len(), 1);
    });
}

#[test]
fn an_event_that_an_aggregate_of_the_model_does_not_list_is_refused() {
    struct Misplace;

    impl Command<Teaching> for Misplace {
        type Error = Refused;

        fn decide(&self, _: &Teaching) -> Result<Events<Teaching>, Refused> {
            Ok(events![subscribed(1, "ann").to("teacher-kim")])
        }
    }

    block_on(async {
        let store = MemoryStore::new();
        let school = Repositories::new(store.clone());
        let done = school.execute_together(async |unit| -> Done {
            let misplaced = unit.execute_on_model(teaching(), &Misplace).await;
            assert!(matches!(
                misplaced,
                Err(ExecuteError::Append(AppendError::Encode(_)))
            ));
            unit.execute::<Teacher, _>("kim", &Hire).await?;
            Ok(())
        });
        done.await.unwrap();
        assert_eq!(log(&store).await.len(), 1);
    });
}

#[test]
fn a_unit_with_models_takes_effect_once_for_each_key_and_answers_as_the_first_time() {
    block_on(async {
        let store = MemoryStore::new();
        let school = with_course(store.clone()).await;
        let once = async || {
            let done = school.execute_together_once("k", async |unit| -> Done<u32> {
                unit.execute::<Teacher, _>("kim", &Hire).await?;
                let decided = unit
                    .execute_on_model(subscription(1, "ann"), &Subscribe)
                    .await?;
                Ok(decided.0.taken)
            });
            done.await.unwrap()
        };
        let first = once().await;
        assert_eq!(
            (first.value, first.place),
            (1, Some(Place::main(Position(3))))
        );
        let other = rival(&subscribed(1, "ben"), "s-1");
        store.append(other).await.unwrap();
        assert_eq!(once().await, first);
        assert_eq!(log(&store).await.len(), 4);
    });
}

#[test]
fn units_of_many_threads_never_overbook() {
    let store = MemoryStore::new();
    let school = block_on(with_course(store.clone())).with_retries(u32::MAX);
    block_on(school.execute(seats(1), &Define(5))).unwrap();
    let subscribed = thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|number| {
                let school = &school;
                scope.spawn(move || {
                    let (student, teacher) = (format!("s-{number}"), format!("t-{number}"));
                    let done = school.execute_together(async |unit| -> Done {
                        unit.execute::<Teacher, _>(&teacher, &Hire).await?;
                        unit.execute_on_model(subscription(1, &student), &Subscribe)
                            .await?;
                        Ok(())
                    });
                    match block_on(done) {
                        Ok(_) => true,
                        Err(ExecuteError::Rejected(Refused::Full)) => false,
                        Err(error) => panic!("{error:?}"),
                    }
                })
            })
            .collect();
        let done = threads.into_iter().map(|thread| thread.join().unwrap());
        done.filter(|is_done| *is_done).count()
    });
    assert_eq!(subscribed, 5);
    let events = block_on(log(&store));
    let hired = events.iter().filter(|event| event.name == "teacher.hired");
    assert_eq!(hired.count(), 5);
    let read = block_on(school.load(seats(1))).unwrap();
    assert_eq!((read.course, read.taken), (CourseId(1), 5));
    assert_eq!(
        Place::main(events.last().unwrap().position),
        Place::main(Position(12))
    );
}
