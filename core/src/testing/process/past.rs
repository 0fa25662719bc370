//! The earlier inputs of a process, and what follows when it is rebuilt.

use super::lines::lines;
use crate::command::CommandSent;
use crate::event::metadata::EventId;
use crate::process::{Cause, Identity, Instance, ProcessManager, ProcessReacted, Step};
use crate::testing::sound;
use std::sync::Arc;

/// An input, and the commands that were sent then.
pub(super) struct Past {
    pub(super) reacted: ProcessReacted,
    pub(super) cause: Cause,
    pub(super) sent: Vec<(EventId, CommandSent)>,
}

#[track_caller]
pub(super) fn steps_of<P: ProcessManager>(
    instance: &mut Instance<P>,
    reacted: &ProcessReacted,
    cause: &Cause,
) -> Vec<Step> {
    let reactions = sound(instance.react(reacted, cause.clone(), false));
    reactions.map_or_else(Vec::new, |reactions| sound(reactions.into_steps()).0)
}

pub(super) fn settle<P: ProcessManager>(instance: &mut Instance<P>, past: &Past) {
    instance.settle(&past.reacted);
    for (id, command) in &past.sent {
        instance.sent(*id, command.clone());
    }
}

/// Returns what follows when the process reacts to all earlier inputs again.
#[track_caller]
pub(super) fn lines_made_anew<P: ProcessManager>(
    of: &Arc<Identity<P>>,
    history: &[Past],
    reacted: &ProcessReacted,
    cause: &Cause,
) -> Vec<String> {
    let mut instance = Instance::new(of.clone());
    for past in history {
        steps_of(&mut instance, &past.reacted, &past.cause);
        settle(&mut instance, past);
    }
    lines(&steps_of(&mut instance, reacted, cause))
}
