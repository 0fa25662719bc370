//! The trait of decision models.

use super::part::Part;
use crate::aggregate::State;
use crate::event::DecidedEvent;
use crate::store::QueryItem;

/// A state that a decision needs, folded from the events that a query finds, whatever their streams. The decision's
/// events are appended only if the query has found nothing new meanwhile: a dynamic consistency boundary, as in
/// <https://dcb.events/specification>.
///
/// Implement it with the derive of the same name, which takes the query from the events listed and from the fields that
/// are tags. So what is folded and what must not have changed are the same by construction.
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
/// An event belongs to the model if it has all those tags of the model that its type carries. In a model with the tags `course`
/// and `student`, a `CourseDefined`, which carries only `course`, belongs to it if it has this course; a `StudentSubscribed`,
/// which carries both, only if it has this course and this student. To count all students of a course, use a model with the tag
/// `course` alone. An event that carries none of the tags does not compile.
///
/// Tags are recorded with the event. An event recorded by a release whose struct lacked a tag does not have it. So give the
/// struct with the tag a new version, with an `upcast_from` the struct without it. The query finds all events of a name that
/// has earlier versions, and all sources of a `split_from`, whatever their tags; the model takes those that have its tags once
/// they are read in the newest version, as an upcast may change the value of a tag. That is correct, but slower.
///
/// In a store with several logs, a model reads the main log, apart from its aggregates.
///
/// Truncated and tombstoned events are no longer found. Their removal is no conflict: a decision on what was read before holds
/// although an event of the model was removed meanwhile. An aggregate of the model is different: after the end of its stream
/// nothing is appended.
///
/// # It begins anew each time
///
/// Whatever reads a model takes its tags from the value that it is passed, and begins with the default of every other field. So a
/// model that was read before can be passed again, and no event counts twice. What a decision needs beside the events, such as a
/// limit from the configuration, belongs in the command.
///
/// # Models compose
///
/// A tuple of up to six models is a model. Its parts are read in one pass over the log, each from its own events; the
/// decision holds only if none has changed. A part may be an aggregate, as an [`Instance`](crate::decision_model::Instance).
///
/// # Where its events go
///
/// A command on a model may decide any events, including those of types that the model does not list. Each goes to the stream
/// that
/// [`Event::to`](crate::Event::to) names, or to the stream of its first tag: see
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
    /// Returns the items of its query: the events that it is folded from, and that must not have appeared meanwhile.
    fn items(&self) -> Vec<QueryItem>;

    #[doc(hidden)]
    fn __parts(&mut self) -> Vec<&mut dyn Part>;

    /// Returns the model before its first event: its tags, and the default of every other field.
    #[doc(hidden)]
    fn __initial(&self) -> Self;

    /// Returns a copy to go back to after a conflict, so that what was read need not be read again where that is possible.
    #[doc(hidden)]
    fn __copy(&self) -> Self;
}
