//! The parts of a model: what the events of one pass over the log are dispatched to.

use super::selection::{Selection, selects};
use crate::aggregate::{Fold, Replay};
use crate::event::{AnyEvent, DecidedEvent, DecodeError, EventSet, RecordedEventRef, reading};
use crate::limits::LimitError;
use crate::stream_name::StreamName;

/// A model that is not a tuple.
#[doc(hidden)]
pub trait Part: Send {
    /// The events that it is folded from, beside those of its stream.
    fn selection(&self) -> Selection;

    /// Applies a record that was selected.
    fn apply_record(
        &mut self,
        event: &RecordedEventRef<'_>,
        selection: &Selection,
    ) -> Result<(), DecodeError>;

    /// Applies an event that was decided, if it is one of its own.
    fn apply_decided(&mut self, event: &DecidedEvent);

    /// The stream that it is read from, of an aggregate.
    fn stream(&mut self) -> Option<(Result<StreamName, LimitError>, &mut dyn Replay)>;
}

/// A model as its derive describes it.
#[doc(hidden)]
#[allow(missing_docs)]
pub trait Tagged: Fold {
    /// The key and the value of each tag.
    fn tags(&self) -> Vec<(&'static str, String)>;
}

impl<M: Tagged> Part for M {
    fn selection(&self) -> Selection {
        Selection::of::<M::Event>(self.tags())
    }

    fn apply_record(
        &mut self,
        event: &RecordedEventRef<'_>,
        selection: &Selection,
    ) -> Result<(), DecodeError> {
        for event in reading::decode::<M::Event>(event)? {
            if selection.is_exact() || selection.selects(&event) {
                self.apply_event(event);
            }
        }
        Ok(())
    }

    fn apply_decided(&mut self, event: &DecidedEvent) {
        let is_listed = |event: &dyn AnyEvent| M::Event::DESCRIPTORS.contains(&event.descriptor());
        if is_listed(event.event())
            && let Ok(own) = M::Event::__from_any(event.to_any())
            && selects(&own, self.tags())
        {
            self.apply_event(own);
        }
    }

    fn stream(&mut self) -> Option<(Result<StreamName, LimitError>, &mut dyn Replay)> {
        None
    }
}

/// Applies a decided event to a model, if it is one of its own.
#[doc(hidden)]
pub fn take_decided<M: Tagged>(model: &mut M, event: &DecidedEvent) {
    model.apply_decided(event);
}
