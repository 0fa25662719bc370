//! How a consumer is added to a program: its name, its notes, and what runs it.

use super::Midgard;
use super::handle::Consumer;
use super::notebook::Notebook;
use super::program::{Added, StatusGuard};
use crate::consumer::control::{Control, Reader};
use crate::consumer::ended::RunningConsumer;
use crate::consumer::handler::Handler;
use crate::consumer::notebook::NotebookOf;
use crate::consumer::progress::Progress;
use crate::consumer::status::ConsumerKind;
use crate::consumer::{RunError, supervise};
use crate::inbox::{Dispatch, InboxKeys, InboxOptions, InboxWorker};
use crate::process::{ProcessManager, Replies, Steps};
use crate::store::{DynStore, Store};
use crate::telemetry;
use crate::unit_of_work::UnitOfWorkStore;
use std::sync::Arc;
use tracing::Instrument as _;

impl<S: Store + Clone> Midgard<S> {
    /// Adds what receives the answers to the commands of a process manager.
    pub(super) fn add_replies<P: ProcessManager>(
        mut self,
        steps: Arc<Steps<P>>,
        receiving: Option<
            impl Fn(Arc<InboxWorker<Replies<P>>>) -> RunningConsumer + Send + 'static,
        >,
        options: InboxOptions,
    ) -> Self {
        match receiving {
            Some(receiving) => {
                let name = format!("{} replies", P::NAME);
                let worker = self.worker(&name, P::NAME, Replies(steps), options);
                self.add_with(worker.progress.clone(), worker, move |_, worker, _, _| {
                    receiving(worker)
                })
            }
            None if P::SENDS => {
                // Reported by `run`.
                if let Some(Added {
                    running: running @ Ok(_),
                    ..
                }) = self.consumers.last_mut()
                {
                    let name = P::NAME.to_owned();
                    *running = Err(RunError::NoReplies { name });
                }
                self
            }
            None => self,
        }
    }

    pub(super) fn worker<D: Dispatch>(
        &self,
        name: &str,
        queue: &str,
        dispatch: D,
        options: InboxOptions,
    ) -> InboxWorker<D> {
        InboxWorker {
            keys: InboxKeys::new(queue),
            work: UnitOfWorkStore::new(DynStore::new(self.store.clone())),
            control: self.control.clone(),
            progress: Arc::new(Progress::new(name, ConsumerKind::Inbox)),
            dispatch,
            options,
        }
    }

    pub(super) fn add<H, R>(
        self,
        kind: ConsumerKind,
        name: &str,
        notebook: NotebookOf<H>,
        run: impl Fn(S, Arc<NotebookOf<H>>, Arc<Control>, Arc<Progress>) -> R + Send + 'static,
    ) -> Self
    where
        H: Handler + 'static,
        R: Future<Output = Result<(), RunError>> + Send + 'static,
    {
        self.add_with(Arc::new(Progress::new(name, kind)), notebook, run)
    }

    pub(super) fn add_with<N, R>(
        mut self,
        progress: Arc<Progress>,
        notebook: N,
        run: impl Fn(S, Arc<N>, Arc<Control>, Arc<Progress>) -> R + Send + 'static,
    ) -> Self
    where
        N: Notebook + 'static,
        R: Future<Output = Result<(), RunError>> + Send + 'static,
    {
        let notebook = Arc::new(notebook);
        let (name, kind) = (progress.name(), progress.kind());
        let running = self.check_name(kind, name).map(|()| {
            let (store, control) = (self.store.clone(), self.control.clone());
            let reader = (kind != ConsumerKind::Inbox).then(|| Reader::new(&control));
            let (notebook, progress) = (notebook.clone(), progress.clone());
            let run =
                move |control, progress| run(store.clone(), notebook.clone(), control, progress);
            Box::pin(async move {
                let span = telemetry::consumer(progress.name(), kind);
                let running = supervise::unless_it_panics(control, progress, run);
                let ended = running.instrument(span).await;
                drop(reader);
                ended
            }) as RunningConsumer
        });
        let guard = StatusGuard::new(progress.clone());
        self.consumers.push(Added {
            consumer: Consumer { progress, notebook },
            guard,
            running,
        });
        self
    }

    fn check_name(&self, kind: ConsumerKind, name: &str) -> Result<(), RunError> {
        if !is_name(name) {
            let name = name.to_owned();
            return Err(RunError::Name { kind, name });
        }
        if self
            .consumers
            .iter()
            .any(|other| other.consumer.progress.name() == name)
        {
            let name = name.to_owned();
            return Err(RunError::DuplicateName { kind, name });
        }
        Ok(())
    }
}

/// Returns whether a text can be a name that is part of keys.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 100 && !text.contains(['/', '\0'])
}
