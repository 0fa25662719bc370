//! Courses and their students, and a store that others use at the worst moment.

use midgard::event::{NewEvent, RecordedEvent};
use midgard::repository::Repositories;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, Layer, Layered, ReadLog, StoreError, Visit,
};
use midgard::{
    Aggregate, AggregateId, Apply, Command, DecisionModel, Event, Events, MemoryStore, Position,
    Store, StreamName, events,
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
pub(crate) struct CourseId(pub(crate) u32);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
pub(crate) struct CourseDefined {
    #[event(tag = "course")]
    pub(crate) course: CourseId,
    pub(crate) capacity: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "student.subscribed")]
pub(crate) struct StudentSubscribed {
    #[event(tag = "student")]
    pub(crate) student: String,
    #[event(tag = "course")]
    pub(crate) course: CourseId,
}

/// The seats of one course. Its id has no `Default`.
#[derive(Debug, PartialEq, DecisionModel)]
#[decision(events(CourseDefined, StudentSubscribed))]
pub(crate) struct CourseSeats {
    #[decision(tag)]
    pub(crate) course: CourseId,
    pub(crate) capacity: u32,
    pub(crate) taken: u32,
}

impl Apply<CourseDefined> for CourseSeats {
    fn apply(&mut self, event: CourseDefined) {
        assert_ne!(event.capacity, 13, "an `apply` that panics");
        self.capacity = event.capacity;
    }
}

impl Apply<StudentSubscribed> for CourseSeats {
    fn apply(&mut self, _: StudentSubscribed) {
        self.taken += 1;
    }
}

/// The courses of one student.
#[derive(Debug, PartialEq, DecisionModel)]
#[decision(events(StudentSubscribed))]
pub(crate) struct StudentCourses {
    #[decision(tag)]
    pub(crate) student: String,
    pub(crate) courses: u32,
}

impl Apply<StudentSubscribed> for StudentCourses {
    fn apply(&mut self, _: StudentSubscribed) {
        self.courses += 1;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "teacher.hired")]
pub(crate) struct TeacherHired {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "teacher", id = String, events(TeacherHired))]
pub(crate) struct Teacher {
    pub(crate) hired: u32,
}

impl Apply<TeacherHired> for Teacher {
    fn apply(&mut self, _: TeacherHired) {
        self.hired += 1;
    }
}

#[derive(Debug, PartialEq, Eq, Clone, Copy, thiserror::Error)]
#[error("{self:?}")]
pub(crate) enum Refused {
    Full,
    TooManyCourses,
}

/// Defines a course, unless it has this capacity already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Define(pub(crate) u32);

impl Command<CourseSeats> for Define {
    type Error = Refused;

    fn decide(&self, seats: &CourseSeats) -> Result<Events<CourseSeats>, Refused> {
        if seats.capacity == self.0 {
            return Ok(events![]);
        }
        Ok(events![CourseDefined {
            course: seats.course.clone(),
            capacity: self.0
        }])
    }
}

/// Subscribes a student to a course; at most two courses for each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subscribe;

pub(crate) type Subscription = (CourseSeats, StudentCourses);

impl Command<Subscription> for Subscribe {
    type Error = Refused;

    fn decide(&self, (seats, student): &Subscription) -> Result<Events<Subscription>, Refused> {
        if seats.taken >= seats.capacity {
            return Err(Refused::Full);
        }
        if student.courses >= 2 {
            return Err(Refused::TooManyCourses);
        }
        Ok(events![subscribed(seats.course.0, &student.student)])
    }
}

pub(crate) fn subscribed(course: u32, student: &str) -> StudentSubscribed {
    StudentSubscribed {
        student: student.to_owned(),
        course: CourseId(course),
    }
}

pub(crate) fn defined(course: u32, capacity: u32) -> CourseDefined {
    CourseDefined {
        course: CourseId(course),
        capacity,
    }
}

pub(crate) fn seats(course: u32) -> CourseSeats {
    CourseSeats::of(CourseId(course))
}

pub(crate) fn subscription(course: u32, student: &str) -> Subscription {
    (seats(course), StudentCourses::of(student.to_owned()))
}

/// A store in which somebody else appends right before some appends, and which notes from where the log is read.
#[derive(Default)]
pub(crate) struct Contended {
    pub(crate) inner: MemoryStore,
    pub(crate) rivals: Mutex<Vec<Append>>,
    /// What is appended after the next read of the log.
    pub(crate) after_read: Mutex<Option<Append>>,
    pub(crate) reads: Mutex<Vec<Position>>,
}

pub(crate) type ContendedStore = Arc<Layered<Contended>>;

impl Layer for Contended {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let rival = self.rivals.lock().unwrap().pop();
        if let Some(rival) = rival {
            self.inner.append(rival).await?;
        }
        self.inner.append(append).await
    }

    async fn read_log(
        &self,
        read: &ReadLog,
        visit: &mut Visit<'_>,
    ) -> Result<Position, StoreError> {
        self.reads.lock().unwrap().push(read.from);
        let end = self.inner.read_log(read, visit).await?;
        let rival = self.after_read.lock().unwrap().take();
        if let Some(rival) = rival {
            self.inner.append(rival).await.unwrap();
        }
        Ok(end)
    }
}

/// A store whose next appends are each preceded by one of these, the last one first.
pub(crate) fn contended(rivals: impl IntoIterator<Item = Append>) -> ContendedStore {
    Arc::new(Layered::new(Contended {
        rivals: Mutex::new(rivals.into_iter().collect()),
        ..Contended::default()
    }))
}

/// An append of one event by somebody else.
pub(crate) fn rival<E: Event>(event: &E, stream: &str) -> Append {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new(stream).unwrap();
    Append::to(stream, ExpectedVersion::Any, [event])
}

/// Repositories of a store with one course of two seats, which is at position 1.
pub(crate) async fn with_course<S: Store + Clone>(store: S) -> Repositories<S> {
    let first = rival(&defined(1, 2), "course:1");
    store.append(first).await.unwrap();
    Repositories::new(store)
}

pub(crate) async fn log(store: &impl Store) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let read = &mut |event: midgard::event::RecordedEventRef<'_>| {
        events.push(event.to_owned());
        std::ops::ControlFlow::Continue(())
    };
    store.read_log(&ReadLog::forward(), read).await.unwrap();
    events
}

pub(crate) fn names_and_streams(events: &[RecordedEvent]) -> Vec<(&str, &str)> {
    let each = events.iter();
    each.map(|event| (&*event.name, event.stream.as_str()))
        .collect()
}
