//! Why a track has ended.

use crate::place::Place;

/// Why a track ended.
pub(crate) enum Ended {
    /// It was told to stop.
    Stopped,
    /// The generations have changed: there is another plan.
    Replan,
    /// It has caught up with the generation that it replaces.
    Reached,
    /// It failed for good, after this many failures: on an event whose policy is to stop, or as a whole.
    Failed {
        place: Option<Place>,
        failures: u32,
        message: String,
    },
}

impl Ended {
    /// Returns how two tracks have ended together, of which each follows one log.
    pub(crate) fn and(self, other: Ended) -> Ended {
        match (self, other) {
            (failed @ Ended::Failed { .. }, _) | (_, failed @ Ended::Failed { .. }) => failed,
            (Ended::Replan, _) | (_, Ended::Replan) => Ended::Replan,
            (Ended::Stopped, _) | (_, Ended::Stopped) => Ended::Stopped,
            (Ended::Reached, Ended::Reached) => Ended::Reached,
        }
    }
}
