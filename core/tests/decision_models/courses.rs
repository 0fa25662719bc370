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
pub struct CourseId(pub u32);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "course.defined")]
pub struct CourseDefined {
    #[event(tag = "course")]
    pub course: CourseId,
    pub capacity: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "student.subscribed")]
pub struct StudentSubscribed {
    #[event(tag = "student")]
    pub student: String,
    #[event(tag = "course")]
    pub course: CourseId,
}

/// The seats of one course. Its id has no `Default`.
#[derive(Debug, PartialEq, DecisionModel)]
#[decision(events(CourseDefined, StudentSubscribed))]
pub struct CourseSeats {
    #[decision(tag)]
    pub course: CourseId,
    pub capacity: u32,
    pub taken: u32,
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
pub struct StudentCourses {
    #[decision(tag)]
    pub student: String,
    pub courses: u32,
}

impl Apply<StudentSubscribed> for StudentCourses {
    fn apply(&mut self, _: StudentSubscribed) {
        self.courses += 1;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "teacher.hired")]
pub struct TeacherHired {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "teacher", id = String, events(TeacherHired))]
pub struct Teacher {
    pub hired: u32,
}

impl Apply<TeacherHired> for Teacher {
    fn apply(&mut self, _: TeacherHired) {
        self.hired += 1;
    }
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Refused {
    Full,
    TooManyCourses,
}

/// Defines a course, unless it has this capacity already.
#[derive(Debug, Clone, Copy)]
pub struct Define(pub u32);

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
pub struct Subscribe;

pub type Subscription = (CourseSeats, StudentCourses);

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

pub fn subscribed(course: u32, student: &str) -> StudentSubscribed {
    StudentSubscribed {
        student: student.to_owned(),
        course: CourseId(course),
    }
}

pub fn defined(course: u32, capacity: u32) -> CourseDefined {
    CourseDefined {
        course: CourseId(course),
        capacity,
    }
}

pub fn seats(course: u32) -> CourseSeats {
    CourseSeats::of(CourseId(course))
}

pub fn subscription(course: u32, student: &str) -> Subscription {
    (seats(course), StudentCourses::of(student.to_owned()))
}

/// A store in which somebody else appends right before some appends, and which notes from where the log is read.
#[derive(Default)]
pub struct Contended {
    pub inner: MemoryStore,
    pub rivals: Mutex<Vec<Append>>,
    pub reads: Mutex<Vec<Position>>,
}

pub type ContendedStore = Arc<Layered<Contended>>;

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
        self.inner.read_log(read, visit).await
    }
}

/// A store whose next appends are each preceded by one of these, the last one first.
pub fn contended(rivals: impl IntoIterator<Item = Append>) -> ContendedStore {
    Arc::new(Layered::new(Contended {
        rivals: Mutex::new(rivals.into_iter().collect()),
        ..Contended::default()
    }))
}

/// An append of one event by somebody else.
pub fn rival<E: Event>(event: &E, stream: &str) -> Append {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new(stream).unwrap();
    Append::to(stream, ExpectedVersion::Any, [event])
}

/// Repositories of a store with one course of two seats, which is at position 1.
pub async fn with_course<S: Store + Clone>(store: S) -> Repositories<S> {
    let first = rival(&defined(1, 2), "course:1");
    store.append(first).await.unwrap();
    Repositories::new(store)
}

pub async fn log(store: &impl Store) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let read = &mut |event: midgard::event::RecordedEventRef<'_>| {
        events.push(event.to_owned());
        std::ops::ControlFlow::Continue(())
    };
    store.read_log(&ReadLog::forward(), read).await.unwrap();
    events
}

pub fn names_and_streams(events: &[RecordedEvent]) -> Vec<(&str, &str)> {
    let each = events.iter();
    each.map(|event| (&*event.name, event.stream.as_str()))
        .collect()
}
