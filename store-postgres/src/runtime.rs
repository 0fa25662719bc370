//! The runtime of a store: connections and timers need that of tokio, whoever polls.

use midgard::store::StoreError;
use std::future::poll_fn;
use std::pin::pin;
use tokio::runtime::{Builder, Handle, Runtime};

/// The runtime that serves a store: that of its program, or one of its own.
#[derive(Debug)]
pub(crate) struct Tasks {
    handle: Handle,
    /// With one thread, in a program that uses no tokio. It ends with the store.
    own: Option<Runtime>,
}

impl Tasks {
    /// Takes the runtime in which this is called; where there is none, starts one.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub(crate) fn start() -> Result<Self, StoreError> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Tasks { handle, own: None });
        }
        let own = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("midgard-postgres")
            .enable_all()
            .build();
        let own = own.map_err(|error| StoreError::Backend {
            action: "start the thread of its connections",
            cause: Box::new(error),
        })?;
        Ok(Tasks {
            handle: own.handle().clone(),
            own: Some(own),
        })
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Polls a future within the runtime, from any thread.
    pub(crate) async fn within<T>(&self, future: impl Future<Output = T> + Send) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            let _entered = self.handle.enter();
            future.as_mut().poll(context)
        })
        .await
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        // Its thread may be one that runs futures, which must not block.
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}
