//! UmaDB's core by its writer thread, as its server runs it.

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb as Database;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::pager::ReadMethod;
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{DcbAppendCondition, DcbError, DcbEvent, DcbResult};

/// As many as its server takes.
const EVENTS_A_COMMIT: usize = 2000;
/// More than the measured data needs.
const CACHE_MB: usize = 2000;
/// As many as its server takes.
const WAITING_APPENDS: usize = 1024;

/// A database of UmaDB. Its writer thread takes what waits, commits it together, and flushes the file twice.
pub(crate) struct UmaDb {
    database: Database,
    requests: mpsc::Sender<WriterThreadRequest>,
    writer: Option<JoinHandle<()>>,
}

impl UmaDb {
    pub(crate) fn create(directory: &Path) -> DcbResult<Self> {
        let options = StorageOptions::default()
            .db_path(directory)
            .read_method(ReadMethod::Mmap)
            .page_cache_max_mb(CACHE_MB);
        let storage = Arc::new(Mvcc::new(false, options)?);
        let (requests, received) = mpsc::channel(WAITING_APPENDS);
        let (head, _) = watch::channel(None);
        let writes = storage.clone();
        let writer = thread::Builder::new().name("umadb".into()).spawn(move || {
            writer_thread_blocking(writes, received, head, EVENTS_A_COMMIT);
        })?;
        Ok(UmaDb {
            database: Database::from_arc(storage),
            requests,
            writer: Some(writer),
        })
    }

    /// Appends the events, all or none, and returns the position of the last one.
    pub(crate) async fn append(
        &self,
        events: Vec<DcbEvent>,
        condition: Option<DcbAppendCondition>,
    ) -> DcbResult<u64> {
        let (response, answer) = oneshot::channel();
        let request = WriterThreadRequest::Append {
            events,
            condition,
            tracking_info: None,
            response_tx: response,
            cancel: None,
        };
        let ended = || DcbError::InternalError("the writer thread has ended".into());
        let sent = self.requests.send(request).await;
        sent.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Returns the database, to be read.
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }
}

impl Drop for UmaDb {
    fn drop(&mut self) {
        let _ = self.requests.blocking_send(WriterThreadRequest::Shutdown);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
