//! The loop behind every command: decide, append, and decide again after a conflict.

use super::repeating;
use crate::repository::{ExecuteError, LoadError};
use crate::store::AppendError;
use crate::store::{Append, Appended, Store};
use std::time::Duration;

/// How often, and for how long, a command is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tries {
    /// How often it is decided again after conflicts.
    pub(super) retries: u32,
    /// For how long the same append is repeated while its outcome is unknown.
    pub(super) repeat_for: Duration,
}

impl Tries {
    pub(super) const DEFAULT: Tries = Tries {
        retries: 3,
        repeat_for: Duration::ZERO,
    };
}

/// A decision that is appended at once: on a stream, on several, or on the events that a query finds.
///
/// The append states what the decision relies on: versions of streams, a condition, entries.
pub(crate) trait Decision: Send {
    /// The result of a decision, besides the events.
    type Outcome: Send;
    /// The reason to refuse.
    type Error: Send;

    /// Returns the outcome of the decision under its key, if it has one that was used before.
    fn done(&mut self) -> impl Future<Output = Result<Option<Self::Outcome>, LoadError>> + Send;

    /// Reads the current state and decides; there may be nothing to append. `tries` counts from 1.
    fn decide(
        &mut self,
        tries: u32,
    ) -> impl Future<Output = Result<Attempt<Self::Outcome>, ExecuteError<Self::Error>>> + Send;

    /// Returns the conflict that the decision met while it read; then its result does not count.
    fn overtaken(&mut self) -> Option<AppendError> {
        None
    }
}

/// The outcome of a decision, and the append that stores it.
pub(crate) type Attempt<T> = (T, Option<Append>);

/// Appends a decision. Decides again after a conflict, a bounded number of times.
pub(crate) async fn append_decision<S: Store, D: Decision>(
    store: &S,
    allowed: Tries,
    mut decision: D,
) -> Result<(D::Outcome, Option<Appended>), ExecuteError<D::Error>> {
    let (mut tries, mut conflict) = (0, None);
    loop {
        // Also after the last try: the conflict may be its own effect, by the same key at the same time.
        if let Some(done) = decision.done().await? {
            return Ok((done, None));
        }
        if let Some(last) = conflict.take() {
            check_tries(last, tries, allowed.retries)?;
        }
        tries += 1;
        let decided = decision.decide(tries).await;
        if let Some(overtaken) = decision.overtaken() {
            conflict = Some(overtaken);
            continue;
        }
        let (outcome, append) = match decided {
            Err(ExecuteError::Rejected(refusal)) => {
                // What it refuses may be its own effect, too.
                let done = decision.done().await?;
                let done = done.ok_or(ExecuteError::Rejected(refusal))?;
                return Ok((done, None));
            }
            decided => decided?,
        };
        let Some(append) = append else {
            return Ok((outcome, None));
        };
        match repeating::append(store, append, allowed.repeat_for).await {
            Ok(appended) => return Ok((outcome, Some(appended))),
            Err(error) if !is_overtaken(&error) => return Err(ExecuteError::Append(error)),
            Err(last) => conflict = Some(last),
        }
    }
}

/// Fails if this conflict was met on the last try.
fn check_tries<E>(last: AppendError, tries: u32, retries: u32) -> Result<(), ExecuteError<E>> {
    if tries > retries {
        return Err(ExecuteError::Conflict { tries, last });
    }
    tracing::debug!(%last, tries, "conflict, deciding again");
    Ok(())
}

/// Returns whether a concurrent append changed what the decision relied on.
const fn is_overtaken(error: &AppendError) -> bool {
    matches!(
        error,
        AppendError::Conflict { .. }
            | AppendError::ConditionFailed { .. }
            | AppendError::EntryChanged { .. }
    )
}
