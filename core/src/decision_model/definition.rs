//! The trait of decision models.

use super::part::Part;
use crate::aggregate::State;
use crate::event::DecidedEvent;
use crate::store::QueryItem;

/// A state that a decision needs, folded from the events that a query finds in any stream. The decision's events are
/// appended only if the query would find no further event by then: a dynamic consistency boundary, as in
/// <https://dcb.events/specification>.
///
/// Implement it with the derive of the same name, which builds the query from the listed events and the fields that are
/// tags. So the events that are folded are exactly those that must not have changed.
///
/// ```standalone_crate
/// use midgard::repository::Repositories;
/// use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "course.defined")]
/// struct CourseDefined {
///     #[event(tag = "course")]
///     course: String,
///     capacity: u32,
/// }
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "student.subscribed")]
/// struct StudentSubscribed {
///     #[event(tag = "course")]
///     course: String,
///     #[event(tag = "student")]
///     student: String,
/// }
///
/// /// The seats of one course.
/// #[derive(Debug, DecisionModel)]
/// #[decision(events(CourseDefined, StudentSubscribed))]
/// struct CourseSeats {
///     #[decision(tag)]
///     course: String,
///     capacity: u32,
///     taken: u32,
/// }
///
/// impl Apply<CourseDefined> for CourseSeats {
///     fn apply(&mut self, event: CourseDefined) { self.capacity = event.capacity; }
/// }
///
/// impl Apply<StudentSubscribed> for CourseSeats {
///     fn apply(&mut self, _: StudentSubscribed) { self.taken += 1; }
/// }
///
/// #[derive(Debug, PartialEq)]
/// struct CourseIsFull;
///
/// struct Subscribe { student: String }
///
/// impl Command<CourseSeats> for Subscribe {
///     type Error = CourseIsFull;
///
///     fn decide(&self, seats: &CourseSeats) -> Result<Events<CourseSeats>, CourseIsFull> {
///         if seats.taken >= seats.capacity {
///             return Err(CourseIsFull);
///         }
///         Ok(events![StudentSubscribed { course: seats.course.clone(), student: self.student.clone() }])
///     }
/// }
///
/// struct Define { capacity: u32 }
///
/// impl Command<CourseSeats> for Define {
///     type Error = std::convert::Infallible;
///
///     fn decide(&self, seats: &CourseSeats) -> Result<Events<CourseSeats>, Self::Error> {
///         Ok(events![CourseDefined { course: seats.course.clone(), capacity: self.capacity }])
///     }
/// }
///
/// # midgard::block_on(async {
/// let repositories = Repositories::new(MemoryStore::new());
/// let course = || CourseSeats::of("c1".to_owned()); // every field that is not a tag begins with its default
/// repositories.execute(course(), &Define { capacity: 1 }).await?;
/// let done = repositories.execute(course(), &Subscribe { student: "ann".to_owned() }).await.unwrap();
/// assert_eq!(done.model().taken, 1);
/// assert!(repositories.execute(course(), &Subscribe { student: "ben".to_owned() }).await.is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Which events it is folded from
///
/// An event belongs to the model if it has the model's value for every tag that its type and the model have in common. In a
/// model with the tags `course` and `student`, a `CourseDefined`, which carries only `course`, belongs to the model if it
/// is of this course; a `StudentSubscribed`, which carries both, only if it is of this course and this student. To count
/// all students of a course, use a model with the tag `course` alone. An event that carries none of the tags does not
/// compile.
///
/// Tags are recorded with the event. An event recorded by a release whose struct lacked a tag does not have it. So give the
/// struct with the tag a new version, with an `upcast_from` the struct without it. If an event has earlier versions, or is
/// split from others, its tags may change when it is read. So the query finds all events of such a name, whatever their recorded
/// tags, and the model takes those whose newest version has its tags. That is correct, but slower.
///
/// In a store with several logs, a model finds events of the main log only. The aggregates in it are read from their own logs.
/// Parts in other logs than the main one are read one after the other: a refusal, and a result without events, may then rely on
/// parts of two moments. In one log, all parts are as of one moment.
///
/// Truncated and tombstoned events are no longer found. Their removal is no conflict: a decision on what was read before holds
/// although an event of the model was removed meanwhile. An aggregate of the model is different: after the end of its stream
/// nothing is appended.
///
/// # Every read starts from the defaults
///
/// A read takes only the tags from the model that is passed, and starts with the default of every other field. So a model that was
/// read before can be passed again, and no event counts twice. Other values that a decision needs, such as a limit from the
/// configuration, belong in the command.
///
/// # Models compose
///
/// A tuple of up to six models is a model. Its parts are read in one pass over the log, each from its own events; the
/// decision holds only if none has changed. A part may be an aggregate, as an [`Instance`](crate::decision_model::Instance).
///
/// # Where its events go
///
/// A command on a model may decide any events, including those of types that the model does not list. Each goes to the stream
/// that [`Event::to`](crate::Event::to) names, or to the stream of its first tag: see
/// [`DecidedEvent`](crate::event::DecidedEvent).
///
/// The model that a command returns includes the decided events of the types that it lists. An event that listed ones are
/// `split_from` is read as these only when the model is read again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a decision model",
    label = "this type does not implement `DecisionModel`",
    note = "add `#[derive(DecisionModel)]` and `#[decision(events(..))]` to `{Self}`; an aggregate is `Instance::<..>::of(&id)` in a model"
)]
pub trait DecisionModel: State<Decided = DecidedEvent> + Sized {
    /// Returns the items of its query, which select the events that it is folded from.
    fn items(&self) -> Vec<QueryItem>;

    #[doc(hidden)]
    fn __parts(&mut self) -> Vec<&mut dyn Part>;

    /// Returns the model before its first event: its tags, and the default of every other field.
    #[doc(hidden)]
    fn __initial(&self) -> Self;

    /// Returns a copy to continue from after a conflict. Where possible, it keeps what was read, so that only new events are read
    /// then.
    #[doc(hidden)]
    fn __copy(&self) -> Self;
}
