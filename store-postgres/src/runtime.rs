//! The runtime of a store: connections and timers need that of tokio, whoever polls.

use midgard::store::StoreError;
use std::future::poll_fn;
use std::pin::pin;
use tokio::runtime::Handle;

/// Returns the runtime that a store is opened in.
pub(crate) fn current() -> Result<Handle, StoreError> {
    Handle::try_current().map_err(|_| StoreError::Backend {
        action: "be opened",
        cause: "it needs a runtime of tokio for its connections; open it within one that lives as long as the store, such as in `#[tokio::main]`".into(),
    })
}

/// Polls a future within a runtime, from any thread.
pub(crate) async fn within<T>(runtime: &Handle, future: impl Future<Output = T> + Send) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _entered = runtime.enter();
        future.as_mut().poll(context)
    })
    .await
}
