//! Events that commands decide on decision models: of any type, and of any stream.

use super::codec::{EncodeError, ReadBack};
use super::definition::{Event, EventPayload, EventSet};
use super::descriptor::AnyEvent;
use super::record::NewEvent;
use super::tags::Tags;
use crate::limits::LimitError;
use crate::stream_name::StreamName;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// An event that a command decided on a [decision model](crate::DecisionModel), and the stream that it goes to.
///
/// Every event converts into one. [`Event::to`](crate::Event::to) names its stream; without that, its stream has the name of
/// its first tag, such as `course:c1`; that of an event without tags is its own name, as in `event:course.defined`. No
/// aggregate has a stream with such a name.
///
/// ```
/// use midgard::Event;
/// use midgard::event::DecidedEvent;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// #[event(name = "course.defined")]
/// struct CourseDefined {
///     #[event(tag = "course")]
///     course: String,
/// }
///
/// let event = DecidedEvent::from(CourseDefined { course: "c1".to_owned() });
/// assert_eq!(event.stream()?.as_str(), "course:c1");
/// let event = CourseDefined { course: "c1".to_owned() }.to("catalogue");
/// assert_eq!(event.stream()?.as_str(), "catalogue");
/// # Ok::<_, midgard::limits::LimitError>(())
/// ```
#[derive(Clone)]
pub struct DecidedEvent {
    event: Arc<dyn Recordable>,
    stream: Option<Result<StreamName, LimitError>>,
}

impl DecidedEvent {
    pub(super) fn new<E: Event>(event: E, stream: Option<Result<StreamName, LimitError>>) -> Self {
        DecidedEvent {
            event: Arc::new(event),
            stream,
        }
    }

    /// Returns the stream that it goes to.
    ///
    /// # Errors
    /// [`LimitError`] when the given name, or the tag, cannot be the name of a stream.
    pub fn stream(&self) -> Result<StreamName, LimitError> {
        match &self.stream {
            Some(stream) => stream.clone(),
            None => self.event.own_stream(),
        }
    }

    /// Returns the event for downcasting.
    #[must_use]
    pub fn event(&self) -> &dyn AnyEvent {
        self.event.as_event()
    }

    pub(crate) fn written(&self, read_back: ReadBack) -> Result<NewEvent, EncodeError> {
        self.event.written(read_back)
    }

    /// Returns a copy of the event alone.
    pub(crate) fn to_any(&self) -> Box<dyn AnyEvent> {
        self.event.to_any()
    }
}

impl<E: Event> From<E> for DecidedEvent {
    fn from(event: E) -> Self {
        DecidedEvent::new(event, None)
    }
}

impl Debug for DecidedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.event().fmt(f)?;
        match &self.stream {
            Some(Ok(stream)) => write!(f, ".to({:?})", stream.as_str()),
            Some(Err(error)) => write!(f, ".to({error:?})"),
            None => Ok(()),
        }
    }
}

/// An event of a type that is known only where it was decided.
trait Recordable: AnyEvent {
    fn written(&self, read_back: ReadBack) -> Result<NewEvent, EncodeError>;
    fn own_stream(&self) -> Result<StreamName, LimitError>;
    fn to_any(&self) -> Box<dyn AnyEvent>;
    fn as_event(&self) -> &dyn AnyEvent;
}

impl<E: Event> Recordable for E {
    fn written(&self, read_back: ReadBack) -> Result<NewEvent, EncodeError> {
        NewEvent::written(self, read_back)
    }

    fn own_stream(&self) -> Result<StreamName, LimitError> {
        let mut tags = Tags::new();
        Event::collect_tags(self, &mut tags);
        match tags.view().iter().next() {
            Some(tag) => StreamName::new(tag),
            None => StreamName::new(format!("event:{}", E::NAME)),
        }
    }

    fn to_any(&self) -> Box<dyn AnyEvent> {
        Box::new(EventPayload::__clone(self))
    }

    fn as_event(&self) -> &dyn AnyEvent {
        self
    }
}

/// What a command can decide: an event of an aggregate's set, or any event with its stream.
#[doc(hidden)]
#[allow(missing_docs)]
pub trait Decidable: Debug + Clone + Send + Sync + 'static {
    fn __written(&self, is_read_back: bool) -> Result<NewEvent, EncodeError>;

    /// Its stream, where it has one of its own.
    fn __stream(&self) -> Option<Result<StreamName, LimitError>>;
}

impl<S: EventSet + Debug + Clone> Decidable for S {
    fn __written(&self, is_read_back: bool) -> Result<NewEvent, EncodeError> {
        NewEvent::written(self, read_back(is_read_back))
    }

    fn __stream(&self) -> Option<Result<StreamName, LimitError>> {
        None
    }
}

impl Decidable for DecidedEvent {
    fn __written(&self, is_read_back: bool) -> Result<NewEvent, EncodeError> {
        self.written(read_back(is_read_back))
    }

    fn __stream(&self) -> Option<Result<StreamName, LimitError>> {
        Some(self.stream())
    }
}

const fn read_back(is_read_back: bool) -> ReadBack {
    if is_read_back {
        ReadBack::Yes
    } else {
        ReadBack::No
    }
}

/// The name of a stream, or a text that is checked to be one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a stream",
    label = "expected the name of a stream",
    note = "write a text, as in `.to(\"course-7\")`, a `StreamName`, or `StreamName::of::<Course>(&id)` for the stream of an aggregate"
)]
pub trait ToStream {
    /// Returns the name, checked.
    ///
    /// # Errors
    /// [`LimitError`] when the text cannot be the name of a stream.
    fn to_stream(self) -> Result<StreamName, LimitError>;
}

impl ToStream for StreamName {
    fn to_stream(self) -> Result<StreamName, LimitError> {
        Ok(self)
    }
}

impl ToStream for &StreamName {
    fn to_stream(self) -> Result<StreamName, LimitError> {
        Ok(self.clone())
    }
}

impl ToStream for Result<StreamName, LimitError> {
    fn to_stream(self) -> Result<StreamName, LimitError> {
        self
    }
}

impl ToStream for &str {
    fn to_stream(self) -> Result<StreamName, LimitError> {
        StreamName::new(self)
    }
}

impl ToStream for String {
    fn to_stream(self) -> Result<StreamName, LimitError> {
        StreamName::new(self)
    }
}
