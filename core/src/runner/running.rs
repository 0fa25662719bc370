//! A program that runs in tasks of a runtime, with what requests need of it.

use super::program::{EndTask, Spawner, TaskHandle};
use super::{Midgard, MidgardHandle};
use crate::aggregate::Aggregate;
use crate::consumer::RunError;
use crate::consumer::guard::guarded_call;
use crate::repository::{Repositories, Repository};
use crate::store::{EmbeddedStore, Store};
use crate::view::views::Views;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Shared, abortable, select};
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, OnceLock};

/// A program that was [started](Midgard::start), and what requests need of it: its repositories, its views, and its handle.
/// Cheap to clone, so that it can be the state of a router.
///
/// The program runs until its [handle](Self::handle) [stops](MidgardHandle::stop) or [drains](MidgardHandle::drain) it. When
/// the last clone is dropped before that, the consumers are dropped where they are, as if the process were killed.
#[must_use = "the program ends when this is dropped"]
pub struct Running<S>(Arc<Parts<S>>);

struct Parts<S> {
    repositories: Repositories<S>,
    views: OnceLock<Views>,
    handle: MidgardHandle,
    ended: Shared<BoxFuture<'static, Result<(), RunError>>>,
    _task: (EndTask, Mutex<TaskHandle>),
}

impl<S: Store + Clone> Midgard<S> {
    /// Runs the program and each of its consumers in tasks of a runtime, and waits until every consumer is
    /// [at work](MidgardHandle::ready). `spawn` is called with the future of each task: on tokio, pass `tokio::spawn`. A
    /// [`spawner`](Self::spawner) that was set before runs the consumers instead.
    ///
    /// ```
    /// # use midgard::consumer::RunError;
    /// # use midgard::{Aggregate, MemoryStore, Midgard, Projection, Repository, Views};
    /// # mod tokio { pub fn spawn<F>(_: F) {} }
    /// # async fn example<Balances: Projection<Store = Views>, Account: Aggregate>(balances: Balances) -> Result<(), RunError> {
    /// # let store = MemoryStore::new();
    /// let views = Views::new(store.clone());
    /// let bank = Midgard::new(store).project(balances, views).start(tokio::spawn).await?;
    /// let accounts: Repository<Account, _> = bank.repository();
    /// // .. serve requests, and at the end:
    /// bank.handle().drain();
    /// bank.ended().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Where several programs of one process send each other messages, [declare](Self::declare) all before the first is started.
    ///
    /// # Errors
    /// [`RunError`] when the program cannot run, or one of its consumers fails before it is at work. The others are then
    /// stopped.
    pub async fn start<T: Send + 'static>(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> T + Send + Sync + 'static,
    ) -> Result<Running<S>, RunError> {
        let spawner: Spawner = Arc::new(move |task| Box::new(spawn(task)));
        self.spawner.get_or_insert_with(|| spawner.clone());
        let repositories =
            Repositories::new(self.store.clone()).with_clock(self.control.clock.clone());
        let handle = self.handle();
        let ended = self.run().boxed().shared();
        let (task, abort) = abortable(ended.clone());
        let end_task = EndTask(abort);
        let task = guarded_call(|| spawner(Box::pin(task.map(drop))));
        let task = task.map_err(|reason| RunError::NotSpawned { reason })?;
        let running = Running(Arc::new(Parts {
            repositories,
            views: OnceLock::new(),
            handle,
            ended,
            _task: (end_task, Mutex::new(task)),
        }));
        running.at_work().await?;
        Ok(running)
    }
}

impl<S: Store + Clone> Running<S> {
    /// Returns the repository of one type of aggregates, with the clock of the program.
    #[must_use]
    pub fn repository<A: Aggregate>(&self) -> Repository<A, S> {
        self.0.repositories.of()
    }

    /// Returns the repositories of all aggregates, with the clock of the program.
    #[must_use]
    pub fn repositories(&self) -> &Repositories<S> {
        &self.0.repositories
    }

    /// Returns the store of the program.
    #[must_use]
    pub fn store(&self) -> &S {
        self.0.repositories.store()
    }

    /// Returns the views in the store of the program.
    #[must_use]
    pub fn views(&self) -> &Views
    where
        S: EmbeddedStore,
    {
        let views = &self.0.views;
        views.get_or_init(|| Views::new(self.store().clone()))
    }
}

impl<S> Running<S> {
    /// Returns the handle of the program, which shows the status of its consumers, waits for them, and stops them.
    #[must_use]
    pub fn handle(&self) -> &MidgardHandle {
        &self.0.handle
    }

    /// Waits until all consumers have ended, as [`Midgard::run`] does. Every clone may wait.
    ///
    /// # Errors
    /// As [`Midgard::run`]: when a consumer had failed, or did not end in time.
    pub async fn ended(&self) -> Result<(), RunError> {
        self.0.ended.clone().await
    }

    /// Waits until all consumers are at work; stops them when one is not.
    async fn at_work(&self) -> Result<(), RunError> {
        let ready = pin!(self.handle().ready());
        match select(ready, self.0.ended.clone()).await {
            Either::Left((Ok(()), _)) => Ok(()),
            Either::Left((Err(_), ended)) => {
                self.handle().stop();
                ended.await
            }
            Either::Right((ended, _)) => ended,
        }
    }
}

impl<S> Clone for Running<S> {
    fn clone(&self) -> Self {
        Running(self.0.clone())
    }
}

impl<S> fmt::Debug for Running<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("handle", &self.0.handle)
            .finish_non_exhaustive()
    }
}
