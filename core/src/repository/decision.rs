//! The loop behind every command: decide, append, and decide again where others were faster.

use crate::repository::ExecuteError;
use crate::store::AppendError;
use crate::store::{Append, Appended, Store};

/// How often a command that met a conflict is decided again.
pub(super) const RETRIES: u32 = 3;

/// What is decided and appended at once: on a stream, on several, or on what a query finds.
///
/// The append says what the decision relies on: versions of streams, a condition, entries.
pub(crate) trait Decision: Send {
    /// What a decision comes to, beside the events.
    type Outcome: Send;
    /// Why it was decided to do nothing.
    type Error: Send;

    /// Reads what is there now, and decides; there may be nothing to append. `tries` counts from 1.
    fn decide(
        &mut self,
        tries: u32,
    ) -> impl Future<Output = Result<Decided<Self::Outcome>, ExecuteError<Self::Error>>> + Send;
}

/// What was decided, and what is to be appended for it.
pub(crate) type Decided<T> = (T, Option<Append>);

/// Appends what is decided. Decides again after a conflict, at most `retries` times.
pub(crate) async fn append_decision<S: Store, D: Decision>(
    store: &S,
    retries: u32,
    mut decision: D,
) -> Result<(D::Outcome, Option<Appended>), ExecuteError<D::Error>> {
    let mut tries = 0;
    loop {
        tries += 1;
        let (outcome, append) = decision.decide(tries).await?;
        let Some(append) = append else {
            return Ok((outcome, None));
        };
        match store.append(append).await {
            Ok(appended) => return Ok((outcome, Some(appended))),
            Err(error) if !is_overtaken(&error) => return Err(ExecuteError::Append(error)),
            Err(last) if tries <= retries => {
                tracing::debug!(%last, tries, "conflict, deciding again");
            }
            Err(last) => return Err(ExecuteError::Conflict { tries, last }),
        }
    }
}

/// Whether others have changed what a decision relied on.
const fn is_overtaken(error: &AppendError) -> bool {
    matches!(
        error,
        AppendError::Conflict { .. }
            | AppendError::ConditionFailed { .. }
            | AppendError::EntryChanged { .. }
    )
}
