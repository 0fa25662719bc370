//! Decision models: decisions that depend on several streams.
//!
//! An aggregate decides on its own stream. A rule over several of them (the seats of a course and the courses of a student, an order
//! and the credit of its customer) needs the events of all of them, and a guarantee that no relevant event is added before
//! the decision is appended. A [`DecisionModel`](crate::DecisionModel) provides both: it is a struct folded from the events that a
//! query finds, and the same query is the condition of the append.
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
//! If another student subscribes to the same course between the read and the append, the append is refused. Then the new events
//! are read, and the command decides again, up to three times. Where many decide on the same at once, allow more with
//! [`with_retries`](crate::repository::Repositories::with_retries). A subscription to another course is no conflict.
//!
//! A field that is not a tag begins with its default each time that the model is read, so one that was read before can be passed
//! again. A limit from the configuration belongs in the command, as in `Define` here. The types of tags may be your own:
//! `#[derive(AggregateId)] struct CourseId(String)` has all that a tag needs.
//!
//! # Which tags a model needs
//!
//! One for each thing that it is about: the seats of a course have the tag `course`, and whether a student takes a course has
//! both. An event belongs to the model if it has *all* those tags of the model that its type carries. A model that depends on all
//! events of its types, such as the last number that was given, has no tag, and says so: `#[decision(all, events(..))]`.
//!
//! # What a command on a model can do
//!
//! | | |
//! |---|---|
//! | read without a decision | [`load`](crate::repository::Repositories::load): `courses.load(art()).await?.taken` |
//! | what was decided | [`Decided`](crate::repository::Decided): `model()` with the events applied, `place()` of the last one |
//! | wait until a projection shows it | [`and_wait_for`](crate::repository::Execution::and_wait_for) before `.await`: `.and_wait_for::<Timetable>(&handle, timeout)` |
//! | take effect once for each key | [`execute_once`](crate::repository::Repositories::execute_once) |
//! | have a cause and headers | [`execute_with`](crate::repository::Repositories::execute_with), [`execute_once_with`](crate::repository::Repositories::execute_once_with) |
//! | be decided with others in one append | [`execute_on_model`](crate::repository::UnitOfWork::execute_on_model) in a unit of work, beside commands on aggregates |
//! | follow from a message of another service | [`execute_on_model`](crate::MessageContext::execute_on_model) in the handler of an inbox |
//!
//! In a unit of work or a handler, each decision sees those before it, and all models are read as of one moment. Nothing is appended
//! unless that still holds at the end; otherwise the whole of it runs again.
//!
//! # An aggregate or a model?
//!
//! | | an aggregate | a decision model |
//! |---|---|---|
//! | decides on | one stream, all of it | what a query finds, over all streams |
//! | a conflict is | any event of its stream | an event of the query |
//! | rules over several streams | with [`execute_together`](crate::repository::Repositories::execute_together), or a process manager | with no further means |
//! | is found by | its id | its tags |
//! | its events | those of one enum of its own | any events, in any stream |
//!
//! A program, and even one decision, can use both: an [`Instance`](crate::decision_model::Instance) makes an aggregate a part of a
//! model, and the version of its stream a part of the condition.
//!
//! # Streams
//!
//! Events of decision models are in streams, too: a stream is the unit that is read, truncated and tombstoned. By default, an event
//! goes to the stream of its first tag, such as `student:ann`; `StudentSubscribed { .. }.to("enrolments-2026")` names another stream.
//! See [`DecidedEvent`](crate::event::DecidedEvent).
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
