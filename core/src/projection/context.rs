//! What a projection's handler gets alongside the event.

use super::definition::Projection;
use crate::consumer::Effect;
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore;
use std::fmt;

/// What a handler gets alongside the event: the event's place and metadata, and the transaction to write through.
pub struct Context<'a, P: Projection> {
    pub(crate) event: &'a RecordedEventRef<'a>,
    pub(crate) transaction: &'a mut (dyn HasTransaction<P> + 'a),
    pub(crate) effects: &'a mut Vec<Effect>,
    pub(crate) generation: u32,
    pub(crate) is_replay: bool,
}

impl<'a, P: Projection> Context<'a, P> {
    /// Returns the event as it was recorded: its stream, position, time, id and metadata.
    #[must_use]
    pub const fn recorded(&self) -> &'a RecordedEventRef<'a> {
        self.event
    }

    /// Returns whether an earlier generation of this projection has already handled the event. If so, the views are
    /// being rebuilt, and side effects must not happen again. Always `true` in a [`Live`](crate::view::Live).
    #[must_use]
    pub const fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// Runs an effect once this event's changes are committed: at most once, and never in a replay.
    ///
    /// The effect is lost if the process is killed between the commit and the effect. What must be done at least
    /// once belongs in a subscription. Effects are independent: when one panics, or takes longer than the
    /// [limit](crate::consumer::ConsumerOptions::handler_timeout), the status reports it, and the others still run.
    pub fn after_commit(&mut self, effect: impl Future<Output = ()> + Send + 'static) {
        if !self.is_replay {
            self.effects.push(Effect {
                position: self.event.position,
                work: Box::pin(effect),
            });
        }
    }

    /// Returns the number of the generation being built, from 1. A [`ViewStore`](crate::projection::ViewStore) may use it in
    /// the names of its tables.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns the transaction in which the rows and the checkpoint are written.
    pub fn transaction(&mut self) -> &mut <P::Store as NoteStore>::Transaction {
        self.transaction.transaction()
    }
}

/// Hides the transaction in the type of a [`Context`]: rustc would otherwise report a `Store` that is no store wherever
/// a handler mentions its context.
pub(crate) trait HasTransaction<P: Projection>: Send {
    fn transaction(&mut self) -> &mut <P::Store as NoteStore>::Transaction;
}

impl<P: Projection> HasTransaction<P> for <P::Store as NoteStore>::Transaction {
    fn transaction(&mut self) -> &mut <P::Store as NoteStore>::Transaction {
        self
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
