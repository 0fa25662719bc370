//! What the tests share.

use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// The runtime of all tests in this program.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    })
}
