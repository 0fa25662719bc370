//! A loaded aggregate, and the decisions on it since.

use crate::aggregate::{Aggregate, Command, Events, Replay};
use crate::event::{DecodeError, RecordedEventRef, reading};
use crate::place::{Place, Version};
use crate::store::Appended;
use crate::stream_name::StreamName;
use std::fmt;

/// A loaded aggregate: its state, the end of its stream when it was read, and the decisions since.
///
/// It can be kept, decided on several times, and committed once, with
/// [`Repository::commit`](crate::Repository::commit).
///
/// ```standalone_crate
/// # use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "counter.incremented")]
/// # struct Incremented { by: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "counter", id = u64, events(Incremented))]
/// # struct Counter { total: u64 }
/// # impl Apply<Incremented> for Counter {
/// #     fn apply(&mut self, event: Incremented) { self.total += event.by; }
/// # }
/// # struct Add(u64);
/// # impl Command<Counter> for Add {
/// #     type Error = std::convert::Infallible;
/// #     fn decide(&self, _: &Counter) -> Result<Events<Counter>, Self::Error> {
/// #         Ok(events![Incremented { by: self.0 }])
/// #     }
/// # }
/// # midgard::block_on(async {
/// # let counters = Repository::<Counter, _>::new(MemoryStore::new());
/// let mut counter = counters.load(&7).await?;
/// counter.decide(&Add(2))?;
/// counter.decide(&Add(3))?;
/// assert_eq!((counter.starting_version().get(), counter.version().get()), (0, 2));
/// let counter = counters.commit(counter).await?;
/// assert_eq!(counter.starting_version().get(), 2);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Loaded<A: Aggregate> {
    stream: StreamName,
    state: A,
    stored: Version,
    place: Option<Place>,
    pending: Events<A>,
}

impl<A: Aggregate> Loaded<A> {
    pub(super) fn new(stream: StreamName) -> Self {
        Loaded {
            stream,
            state: A::initial(),
            stored: Version::ZERO,
            place: None,
            pending: Events::none(),
        }
    }

    /// Returns the state, including all decisions since it was loaded.
    pub const fn state(&self) -> &A {
        &self.state
    }

    /// Returns the state by value.
    #[must_use]
    pub fn into_state(self) -> A {
        self.state
    }

    /// Returns the stream that the aggregate was loaded from.
    pub const fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// Returns the version of the state: that of the stream, plus one for each pending event.
    #[must_use]
    pub fn version(&self) -> Version {
        Version(self.stored.0 + self.pending.len() as u64)
    }

    /// Returns the version of the stream when it was read or last committed: the one that a commit expects.
    #[must_use]
    pub const fn starting_version(&self) -> Version {
        self.stored
    }

    /// Returns the place of its last stored event; `None` when it has none. Wait for that place with
    /// [`MidgardHandle::wait_for`](crate::MidgardHandle::wait_for).
    #[must_use]
    pub const fn place(&self) -> Option<Place> {
        self.place
    }

    /// Returns the events that were decided but not committed.
    pub const fn pending(&self) -> &Events<A> {
        &self.pending
    }

    /// Lets a command decide on the state, and applies its events to the state. Nothing is stored yet.
    ///
    /// # Errors
    /// The command's own error; the state is unchanged.
    pub fn decide<C: Command<A>>(&mut self, command: &C) -> Result<&Events<A>, C::Error> {
        let events = command.decide(&self.state)?;
        self.take_in(events);
        Ok(&self.pending)
    }

    /// Applies decided events, to be committed.
    pub(crate) fn take_in(&mut self, events: Events<A>) {
        self.apply(events.clone());
        // When an `apply` panics, none of them is committed.
        self.pending.extend(events);
    }

    /// Applies events that are about to be appended.
    pub(super) fn apply(&mut self, events: Events<A>) {
        events
            .into_iter()
            .for_each(|event| self.state.apply_event(event));
    }

    /// Records where events that the state already includes were appended.
    pub(super) fn committed(&mut self, appended: &Appended) {
        self.stored = appended.version();
        self.place = appended.place().or(self.place);
    }

    pub(super) fn take_pending(&mut self) -> Events<A> {
        std::mem::take(&mut self.pending)
    }
}

impl<A: Aggregate> Replay for Loaded<A> {
    fn version(&self) -> Version {
        self.version()
    }

    fn replay(&mut self, event: &RecordedEventRef<'_>) -> Result<(), DecodeError> {
        for decoded in reading::decode::<A::Event>(event)? {
            self.state.apply_event(decoded);
        }
        self.stored = event.version;
        self.place = Some(event.place());
        Ok(())
    }
}

impl<A: Aggregate + fmt::Debug> fmt::Debug for Loaded<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("stream", &self.stream)
            .field("state", &self.state)
            .field("version", &self.version())
            .field("place", &self.place)
            .field("pending", &self.pending)
            .finish()
    }
}
