//! Decision models: decisions that depend on several streams.
//!
//! An aggregate decides on its own stream. A rule over several of them (the seats of a course and the courses of a student, an order
//! and the credit of its customer) needs the events of all, and the promise that none of them changes before the decision is
//! appended. A [`DecisionModel`](crate::DecisionModel) is both: a struct that is folded from the events that a query finds, and
//! the same query as the condition of the append.
//!
//! ```standalone_crate
//! use midgard::repository::Repositories;
//! use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "course.defined")]
//! struct CourseDefined {
//!     #[event(tag = "course")] // what queries select
//!     course: String,
//!     capacity: u32,
//! }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "student.subscribed")]
//! struct StudentSubscribed {
//!     #[event(tag = "student")]
//!     student: String,
//!     #[event(tag = "course")]
//!     course: String,
//! }
//!
//! /// The seats of one course.
//! #[derive(Debug, DecisionModel)]
//! #[decision(events(CourseDefined, StudentSubscribed))]
//! struct CourseSeats {
//!     #[decision(tag)]
//!     course: String,
//!     capacity: u32,
//!     taken: u32,
//! }
//!
//! impl Apply<CourseDefined> for CourseSeats {
//!     fn apply(&mut self, event: CourseDefined) { self.capacity = event.capacity; }
//! }
//!
//! impl Apply<StudentSubscribed> for CourseSeats {
//!     fn apply(&mut self, _: StudentSubscribed) { self.taken += 1; }
//! }
//!
//! /// The courses of one student.
//! #[derive(Debug, DecisionModel)]
//! #[decision(events(StudentSubscribed))] // a `CourseDefined` here would not compile: it has no tag `student`
//! struct StudentCourses {
//!     #[decision(tag)]
//!     student: String,
//!     courses: u32,
//! }
//!
//! impl Apply<StudentSubscribed> for StudentCourses {
//!     fn apply(&mut self, _: StudentSubscribed) { self.courses += 1; }
//! }
//!
//! #[derive(Debug, PartialEq, thiserror::Error)]
//! enum Refused {
//!     #[error("the course is full")]
//!     Full,
//!     #[error("that is one course too many")]
//!     TooManyCourses,
//! }
//!
//! struct Subscribe;
//!
//! type Subscribing = (CourseSeats, StudentCourses); // models compose
//!
//! impl Command<Subscribing> for Subscribe {
//!     type Error = Refused;
//!
//!     fn decide(&self, (seats, student): &Subscribing) -> Result<Events<Subscribing>, Refused> {
//!         if seats.taken >= seats.capacity {
//!             return Err(Refused::Full);
//!         }
//!         if student.courses >= 10 {
//!             return Err(Refused::TooManyCourses);
//!         }
//!         let (student, course) = (student.student.clone(), seats.course.clone());
//!         Ok(events![StudentSubscribed { student, course }])
//!     }
//! }
//!
//! struct Define { capacity: u32 }
//!
//! impl Command<CourseSeats> for Define {
//!     type Error = Refused;
//!
//!     fn decide(&self, seats: &CourseSeats) -> Result<Events<CourseSeats>, Refused> {
//!         Ok(events![CourseDefined { course: seats.course.clone(), capacity: self.capacity }])
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let courses = Repositories::new(MemoryStore::new());
//! let art = || CourseSeats::of("art".to_owned());
//! let subscribing = |student: &str| (art(), StudentCourses::of(student.to_owned()));
//!
//! courses.execute(art(), &Define { capacity: 1 }).await?;
//! courses.execute(subscribing("ann"), &Subscribe).await?;
//! let full = courses.execute(subscribing("ben"), &Subscribe).await;
//! assert_eq!(full.unwrap_err().to_string(), "the command was rejected: the course is full");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! If somebody else subscribes to the same course between the read and the append, the append is refused, what is new
//! since then is read, and the command decides again; a subscription to another course is no conflict.
//!
//! # An aggregate or a model?
//!
//! | | an aggregate | a decision model |
//! |---|---|---|
//! | decides on | one stream, all of it | what a query finds, over all streams |
//! | a conflict is | any event of its stream | an event of the query |
//! | rules over several | by [`execute_together`](crate::repository::Repositories::execute_together), or a process manager | as they come |
//! | its events | one enum, its own | any, of any stream |
//!
//! Both may be in one program and in one decision: an [`Instance`](crate::decision_model::Instance) is an aggregate as a part of a
//! model, and the version of its stream is part of the condition.
//!
//! # Streams
//!
//! Each event is in a stream also here: streams are what is truncated, tombstoned and read as a whole. Without a word it is the
//! stream of the event's first tag, such as `student:ann`; `StudentSubscribed { .. }.to("enrolments-2026")` names another. See
//! [`DecidedEvent`](crate::event::DecidedEvent).
//!
//! # Tests
//!
//! [`given_model`](crate::testing::given_model) is [`given`](crate::testing::given) for models:
//! `given_model(model, events![..]).when(Subscribe).then(events![..])`.
//!
//! # Read on
//!
//! [Uniqueness](super::uniqueness) has recipes: a unique name, a request that is handled once, numbers without gaps.
//!
//! The example [`courses`](https://github.com/midgard-rs/midgard/tree/main/examples/courses) is a whole program in four short
//! files: events, models, commands with their tests, and `main`. `cargo run -p midgard-example-courses --bin courses -- define
//! art 30` runs it.
