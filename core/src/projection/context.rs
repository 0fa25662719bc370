//! What a handler of a projection has beside the event.

use super::definition::Projection;
use crate::consumer::Effect;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore;
use std::fmt;

/// What a handler has beside the event: its place and metadata, and the transaction it writes through.
pub struct Context<'a, P: Projection> {
    pub(crate) event: &'a RecordedEventRef<'a>,
    pub(crate) transaction: &'a mut <P::Store as NoteStore>::Transaction,
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) generation: u32,
    pub(crate) is_replay: bool,
}

impl<'a, P: Projection> Context<'a, P> {
    /// The event as it was recorded: its stream, position, time, id and metadata.
    #[must_use]
    pub const fn recorded(&self) -> &'a RecordedEventRef<'a> {
        self.event
    }

    /// Whether an earlier generation of this projection has handled the event already: the views are
    /// being built anew, and what was done beside them must not be done again. Always so in a
    /// [`Live`](crate::view::Live).
    #[must_use]
    pub const fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// Does something once this event's changes are committed: at most once, and never in a replay.
    ///
    /// A process that is killed between the commit and this does not do it. What must be done at least
    /// once belongs in a subscription. Each is done by itself: when one panics, or takes longer than the
    /// [limit](crate::consumer::ConsumerOptions::handler_timeout), the status says so, and the others are done all the same.
    pub fn after_commit(&mut self, effect: impl Future<Output = ()> + Send + 'static) {
        if !self.is_replay {
            self.effects.push(Effect {
                position: self.event.position,
                work: Box::pin(effect),
            });
        }
    }

    /// The number of the generation that is built, from 1: a [`ViewStore`](crate::projection::ViewStore) may have named the tables by
    /// it that the rows are to go to.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The transaction that the rows and the checkpoint are written in.
    pub const fn transaction(&mut self) -> &mut <P::Store as NoteStore>::Transaction {
        self.transaction
    }
}

impl<P: Projection> fmt::Debug for Context<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("projection", &P::NAME)
            .field("position", &self.event.position)
            .field("generation", &self.generation)
            .field("is_replay", &self.is_replay)
            .finish_non_exhaustive()
    }
}
