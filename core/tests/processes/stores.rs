//! Stores that behave as they may at their worst: each step gives way to others, and appends meet others.

use midgard::event::NewEvent;
use midgard::store::{
    Append, AppendError, Appended, ExpectedVersion, Layer, Layered, Operation, StoreError, give_way,
};
use midgard::{MemoryStore, Store};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store in memory each of whose calls can be dropped before it has begun and after it has ended.
pub(crate) type Slow = Layered<Slowness>;

#[derive(Clone, Default)]
pub(crate) struct Slowness {
    store: MemoryStore,
    /// Of how many appends to a journal only the last is not too late, as another was faster; none is when it is zero.
    one_of: u64,
    appends: Arc<AtomicU64>,
}

/// A slow store that lets only one of so many appends to a journal through, as another was faster.
pub(crate) fn meeting(one_of: u64) -> Slow {
    Layered::new(Slowness {
        one_of,
        ..Slowness::default()
    })
}

impl Slowness {
    /// Lets another append to the stream of an aggregate that is about to be appended to.
    async fn meet(&self, append: &Append) {
        if self.one_of == 0 {
            return;
        }
        let journal = append
            .parts()
            .iter()
            .find(|part| part.stream.as_str().starts_with("journal-"));
        let Some(journal) = journal else {
            return;
        };
        let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        if number.is_multiple_of(self.one_of) {
            return;
        }
        let other = NewEvent::encode(&crate::kit::Opened {}).unwrap();
        let other = Append::to(journal.stream.clone(), ExpectedVersion::Any, [other]);
        self.store.append(other).await.unwrap();
    }
}

impl Layer for Slowness {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

    async fn around<T: Send, E: Error + From<StoreError> + Send>(
        &self,
        _: Operation,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        give_way().await;
        let outcome = call.await;
        give_way().await;
        outcome
    }

    async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        self.meet(&append).await;
        self.store.append(append).await
    }
}
