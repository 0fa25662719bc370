//! Repeating appends whose outcome is not known.

use super::{Append, Appended, Layer, Store};
use crate::store::{AppendError, StoreError};
use futures_timer::Delay;
use std::time::{Duration, Instant};

/// The pause before an append is repeated, at first and at most.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A layer that repeats an append whose outcome is not known, with the same event ids, until the store tells whether
/// it was made. For stores behind a network, whose connections are lost now and then.
///
/// Put it between the store and whatever appends: repositories, units of work, inboxes, process managers.
///
/// ```
/// use midgard::store::{Layered, Settling};
/// use midgard::{MemoryStore, Repositories};
/// use std::time::Duration;
///
/// let store = MemoryStore::new(); // PostgresStore::open("postgres://..").await?
/// let settling = Settling::new(store).with_patience(Duration::from_secs(10));
/// let repositories = Repositories::new(Layered::new(settling));
/// ```
///
/// The store recognises the repeat as promised for a retry: at an exact version or with `NoStream` as long as the events
/// are stored, with `Any` and `Exists` among the last [`RECENT_EVENTS`](super::rules::RECENT_EVENTS) events of the log.
/// An append without events cannot be recognised, and is not repeated. Events are copied once for each append.
#[derive(Debug, Clone)]
pub struct Settling<S> {
    inner: S,
    patience: Duration,
}

impl<S: Store> Settling<S> {
    /// Repeats appends for up to 30 seconds.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Settling {
            inner: store,
            patience: Duration::from_secs(30),
        }
    }

    /// Sets for how long an append is repeated. After that it fails with [`StoreError::OutcomeUnknown`], as without the
    /// layer.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn settle(&self, append: Append, mut reason: String) -> Result<Appended, AppendError> {
        let (began, mut pause) = (Instant::now(), PAUSE);
        loop {
            if began.elapsed() + pause > self.patience {
                return Err(StoreError::OutcomeUnknown { reason }.into());
            }
            tracing::debug!(
                reason,
                "the outcome of an append is not known, repeating it"
            );
            Delay::new(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.inner.append(append.clone()).await {
                Err(AppendError::Store(StoreError::OutcomeUnknown { reason: again })) => {
                    reason = again;
                }
                // The first attempt may have been made all the same.
                Err(AppendError::Store(StoreError::Unreachable { reason: again })) => {
                    reason = again
                }
                settled => return settled,
            }
        }
    }
}

impl<S: Store> Layer for Settling<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.inner
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        if append.events().next().is_none() {
            return self.inner.append(append).await;
        }
        match self.inner.append(append.clone()).await {
            Err(AppendError::Store(StoreError::OutcomeUnknown { reason })) => {
                self.settle(append, reason).await
            }
            outcome => outcome,
        }
    }
}
