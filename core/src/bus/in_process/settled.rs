//! How a publisher learns that all of its messages are settled.

use event_listener::Event as Notify;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Held by every message of a batch, in every queue, and by the publisher while it enqueues them. When the last holder is
/// gone, the batch is settled.
pub(super) struct Unsettled(Arc<Settled>);

/// Whether a batch is settled.
#[derive(Default)]
pub(super) struct Settled {
    is_settled: AtomicBool,
    changed: Notify,
}

pub(super) fn batch() -> (Arc<Settled>, Arc<Unsettled>) {
    let settled = Arc::<Settled>::default();
    let unsettled = Arc::new(Unsettled(settled.clone()));
    (settled, unsettled)
}

impl Settled {
    pub(super) async fn wait(&self) {
        loop {
            let changed = self.changed.listen();
            if self.is_settled.load(Ordering::SeqCst) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        self.0.is_settled.store(true, Ordering::SeqCst);
        self.0.changed.notify(usize::MAX);
    }
}
