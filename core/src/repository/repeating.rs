//! Appends that are repeated until their outcome is known.

use crate::place::Version;
use crate::store::{Append, AppendError, Appended, ExpectedVersion, Store, StoreError};
use futures_timer::Delay;
use std::time::{Duration, Instant};

/// The pause before the first repeat, which doubles each time, and the longest one.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Appends; while the outcome is unknown, appends the same events again, for at most this time.
pub(super) async fn append<S: Store>(
    store: &S,
    append: Append,
    time: Duration,
) -> Result<Appended, AppendError> {
    // Without events, a repeat is not recognised.
    if time.is_zero() || append.events().next().is_none() {
        return store.append(append).await;
    }
    let same = append.clone();
    match store.append(append).await {
        Err(unknown) if is_unknown(&unknown) => repeat(store, same, time, unknown).await,
        known => known,
    }
}

async fn repeat<S: Store>(
    store: &S,
    append: Append,
    time: Duration,
    unknown: AppendError,
) -> Result<Appended, AppendError> {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    while begun.elapsed() + pause < time {
        Delay::new(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
        match store.append(append.clone()).await {
            // The store is not there again: that says nothing of the first append.
            Err(error @ AppendError::Store(_)) => {
                tracing::debug!(%error, "the outcome of an append is still unknown");
            }
            Err(error) => {
                return Err(match tells(store, &append, &error).await {
                    true => error,
                    false => unknown,
                });
            }
            Ok(appended) => return Ok(appended),
        }
    }
    Err(unknown)
}

const fn is_unknown(error: &AppendError) -> bool {
    matches!(error, AppendError::Store(StoreError::OutcomeUnknown { .. }))
}

/// Returns whether the refusal of a repeat tells that the first append was not stored: it does, unless events of the streams
/// were removed meanwhile, as a repeat is recognised by those.
async fn tells<S: Store>(store: &S, append: &Append, refusal: &AppendError) -> bool {
    if matches!(refusal, AppendError::Tombstoned { .. }) {
        return false;
    }
    for part in append.parts() {
        let first = match part.expected {
            ExpectedVersion::Exact(version) => version.next(),
            ExpectedVersion::NoStream => Version::FIRST,
            ExpectedVersion::Any | ExpectedVersion::Exists => continue,
        };
        match store.stream_state(&part.stream).await {
            Ok(state) if state.first <= first => {}
            _ => return false,
        }
    }
    true
}
