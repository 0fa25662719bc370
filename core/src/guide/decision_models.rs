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
//!     capacity: Option<u32>, // `None`: there is no such course
//!     taken: u32,
//! }
//!
//! impl Apply<CourseDefined> for CourseSeats {
//!     fn apply(&mut self, event: CourseDefined) { self.capacity = Some(event.capacity); }
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
//!     #[error("there is no such course")]
//!     NoSuchCourse,
//!     #[error("the course is defined already")]
//!     Defined,
//!     #[error("the course is full")]
//!     Full,
//!     #[error("the student already takes 10 courses")]
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
//!         let capacity = seats.capacity.ok_or(Refused::NoSuchCourse)?;
//!         if seats.taken >= capacity {
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
//!         match seats.capacity {
//!             None => Ok(events![CourseDefined { course: seats.course.clone(), capacity: self.capacity }]),
//!             Some(_) => Err(Refused::Defined),
//!         }
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
//! are read, and the command decides again, up to three times; then it is
//! [`ExecuteError::Conflict`](crate::repository::ExecuteError::Conflict). Where many decide on the same at once, allow more with
//! [`with_retries`](crate::repository::Repositories::with_retries). A subscription to another course is no conflict.
//!
//! A field that is not a tag begins with its default each time that the model is read, so one that was read before can be passed
//! again. A limit from the configuration belongs in the command, as in `Define` here, and so does the time of a decision.
//!
//! A tag of a model selects the tag of the same name of its events: the field `course` the `#[event(tag = "course")]`; `#[decision(tag = "..")]` names another. `of` takes
//! the tags in the order of the fields, so types of your own keep them apart: `#[derive(AggregateId)] struct CourseId(String)` has
//! all that a tag needs, with serde. In a tuple of models, a function such as `subscribing` here keeps their tags the same.
//!
//! # Which tags a model needs
//!
//! One for each thing that it is about: the seats of a course have the tag `course`, and whether a student takes a course has
//! both:
//!
//! ```ignore
//! #[derive(DecisionModel)]
//! #[decision(events(StudentSubscribed))]
//! struct Subscription {
//!     #[decision(tag)]
//!     course: String,
//!     #[decision(tag)]
//!     student: String,
//!     exists: bool,
//! }
//! ```
//!
//! With it as the third of the tuple, nobody subscribes twice. An event belongs to the model if it has *all* those tags of the
//! model that its type carries; a type that carries none of them does not compile. A model that depends on all
//! events of its types, such as the last number that was given, has no tag, and says so: `#[decision(all, events(..))]`.
//!
//! Tags are stored with each event: events that were appended before their type had a tag are not found by it. A rule over two
//! values together, such as a room on a day, needs a tag of both, such as `format!("{room}/{day}")` in a field of its own. Events
//! that take something back, such as a cancellation, are listed like the others, and their `apply` counts down.
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
//! model, and the version of its stream a part of the condition. Models have no snapshots yet: each decision reads all events of its
//! query. In a store with several logs, they read the main log.
//!
//! # Streams
//!
//! Events of decision models are in streams, too: a stream is the unit that is read, truncated and tombstoned. By default, an event
//! goes to the stream of the first of its tags, in the order of its fields, such as `student:ann`; `StudentSubscribed { .. }.to("enrolments-2026")` names another stream.
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
