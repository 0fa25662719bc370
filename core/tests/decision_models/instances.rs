//! Aggregates as parts of models.

use super::courses::{
    Refused, StudentCourses, Teacher, TeacherHired, contended, log, rival, subscribed,
};
use midgard::decision_model::Instance;
use midgard::event::NewEvent;
use midgard::repository::{ExecuteError, LoadError, Repositories};
use midgard::store::{AppendError, ExpectedVersion};
use midgard::{Command, Event, Events, MemoryStore, Store, StreamName, Version, block_on, events};

type Lesson = (Instance<Teacher>, StudentCourses);

fn lesson(teacher: &str) -> Lesson {
    (Instance::of(teacher), StudentCourses::of("ann".to_owned()))
}

/// Subscribes the student, if the teacher was hired: no event goes to the teacher's stream.
struct Subscribe;

impl Command<Lesson> for Subscribe {
    type Error = Refused;

    fn decide(&self, (teacher, _): &Lesson) -> Result<Events<Lesson>, Refused> {
        if teacher.hired != 1 {
            return Err(Refused::Full);
        }
        Ok(events![subscribed(1, "ann")])
    }
}

/// Hires the teacher, whatever the student does.
struct Hire;

impl Command<Lesson> for Hire {
    type Error = Refused;

    fn decide(&self, _: &Lesson) -> Result<Events<Lesson>, Refused> {
        let kim = || TeacherHired {}.to(StreamName::of::<Teacher>("kim"));
        Ok(events![kim(), subscribed(1, "ann"), kim()])
    }
}

#[test]
fn an_aggregate_that_changed_is_a_conflict_although_no_event_goes_to_it() {
    block_on(async {
        let store = contended([rival(&TeacherHired {}, "teacher-kim")]);
        let inner = &store.layer().inner;
        let hired = rival(&TeacherHired {}, "teacher-kim");
        inner.append(hired).await.unwrap();
        let lessons = Repositories::new(store.clone());
        // Decided again, on the teacher who was hired twice.
        let decided = lessons.execute(lesson("kim"), &Subscribe).await;
        assert!(matches!(
            decided,
            Err(ExecuteError::Rejected(Refused::Full))
        ));
        assert_eq!(log(inner).await.len(), 2);
    });
}

#[test]
fn the_conflict_of_an_aggregate_is_one_of_its_version() {
    block_on(async {
        let store = contended([rival(&TeacherHired {}, "teacher-kim")]);
        let inner = &store.layer().inner;
        let hired = rival(&TeacherHired {}, "teacher-kim");
        inner.append(hired).await.unwrap();
        let lessons = Repositories::new(store.clone()).with_retries(0);
        let error = lessons.execute(lesson("kim"), &Subscribe).await;
        let Err(ExecuteError::Conflict { last, .. }) = error else {
            panic!("{error:?}");
        };
        let AppendError::Conflict {
            stream, expected, ..
        } = last
        else {
            panic!("{last}");
        };
        assert_eq!(stream.as_str(), "teacher-kim");
        assert_eq!(expected, ExpectedVersion::Exact(Version(1)));
    });
}

#[test]
fn an_aggregate_is_read_and_its_events_go_to_its_stream() {
    block_on(async {
        let store = MemoryStore::new();
        let lessons = Repositories::new(store.clone());
        let decided = lessons.execute(lesson("kim"), &Hire).await.unwrap();
        let (teacher, student) = decided.model();
        assert_eq!((teacher.hired, student.courses), (2, 1));
        let teacher = lessons.of::<Teacher>().load("kim").await.unwrap();
        assert_eq!((teacher.state().hired, teacher.version()), (2, Version(2)));
        let decided = lessons.execute(lesson("kim"), &Hire).await.unwrap();
        assert_eq!(decided.model().0.hired, 4);
        assert_eq!(decided.model().0.version(), Version(2), "as it was read");
    });
}

/// Two aggregates alone: there is nothing to query.
struct HireAnother;

type Two = (Instance<Teacher>, Instance<Teacher>);

impl Command<Two> for HireAnother {
    type Error = Refused;

    fn decide(&self, (one, _): &Two) -> Result<Events<Two>, Refused> {
        match one.hired {
            0 => Ok(events![
                TeacherHired {}.to(StreamName::of::<Teacher>("lee"))
            ]),
            _ => Err(Refused::Full),
        }
    }
}

#[test]
fn aggregates_alone_are_a_model_and_other_events_are_no_conflict() {
    block_on(async {
        let store = contended([rival(&subscribed(1, "ann"), "s-1")]);
        let teachers = Repositories::new(store.clone()).with_retries(0);
        let two = || (Instance::of("kim"), Instance::of("lee"));
        let decided = teachers.execute(two(), &HireAnother).await.unwrap();
        assert_eq!(decided.model().1.hired, 1);
        store
            .layer()
            .rivals
            .lock()
            .unwrap()
            .push(rival(&TeacherHired {}, "teacher-kim"));
        let conflict = teachers.execute(two(), &HireAnother).await;
        assert!(matches!(conflict, Err(ExecuteError::Conflict { .. })));
    });
}

#[test]
fn an_aggregate_that_cannot_be_loaded_fails_the_command() {
    block_on(async {
        let store = MemoryStore::new();
        let lessons = Repositories::new(store);
        let error = lessons.execute(lesson(""), &Subscribe).await.unwrap_err();
        assert!(
            matches!(error, ExecuteError::Load(LoadError::Store(_))),
            "{error:?}"
        );

        lessons.execute(lesson("kim"), &Hire).await.unwrap();
        let teachers = lessons.of::<Teacher>();
        teachers
            .tombstone("kim", ExpectedVersion::Any)
            .await
            .unwrap();
        let error = lessons.execute(lesson("kim"), &Subscribe).await;
        assert!(matches!(
            error,
            Err(ExecuteError::Load(LoadError::Tombstoned { .. }))
        ));
    });
}

/// Puts an event into the stream of an aggregate that has no such event.
struct Misplace;

impl Command<Lesson> for Misplace {
    type Error = Refused;

    fn decide(&self, _: &Lesson) -> Result<Events<Lesson>, Refused> {
        Ok(events![subscribed(1, "ann").to("teacher-kim")])
    }
}

#[test]
fn an_event_that_the_aggregate_could_not_be_loaded_with_is_refused() {
    block_on(async {
        let store = MemoryStore::new();
        let lessons = Repositories::new(store.clone());
        let error = lessons.execute(lesson("kim"), &Misplace).await;
        let Err(ExecuteError::Append(error)) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            error.to_string(),
            "event \"student.subscribed\" version 1 for stream \"teacher-kim\" cannot be written as json: that is the \
             stream of an aggregate \"teacher\", which does not list the event and could not be loaded with it; list \
             the event in `events(..)` of the aggregate, or let `.to(..)` name another stream"
        );
        assert_eq!(log(&store).await.len(), 0);
        // Another teacher is none of the model's.
        lessons.execute(lesson("lee"), &Misplace).await.unwrap();
    });
}

/// Subscribes the student of a teacher; both happen together, or a refusal was wrong.
struct Together;

impl Command<Lesson> for Together {
    type Error = (u32, u32);

    fn decide(&self, (teacher, student): &Lesson) -> Result<Events<Lesson>, (u32, u32)> {
        if teacher.hired != student.courses {
            return Err((teacher.hired, student.courses));
        }
        let hired = TeacherHired {}.to(StreamName::of::<Teacher>("kim"));
        Ok(events![hired, subscribed(1, "ann")])
    }
}

#[test]
fn all_parts_are_as_of_one_moment_also_where_an_aggregate_is_read_later() {
    block_on(async {
        let store = contended([]);
        let both = rival(&TeacherHired {}, "teacher-kim").and(
            StreamName::new("student:ann").unwrap(),
            ExpectedVersion::Any,
            [NewEvent::encode(&subscribed(1, "ann")).unwrap()],
        );
        *store.layer().after_read.lock().unwrap() = Some(both);
        let lessons = Repositories::new(store.clone());
        let decided = lessons.execute(lesson("kim"), &Together).await.unwrap();
        assert_eq!(decided.model().0.hired, 2);
        assert_eq!(decided.model().1.courses, 2);
    });
}
