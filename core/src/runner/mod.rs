//! One value that runs the subscriptions and projections of a program.

mod handle;
mod projection;
mod supervise;

pub use handle::{MidgardHandle, WaitError};

use crate::consumer::ConsumerOptions;
use crate::consumer::control::{Control, Mode};
use crate::consumer::status::{ConsumerKind, Progress};
use crate::place::Position;
use crate::projection::{HandlerError, Projection};
use crate::store::Store;
use crate::subscription::{Delivery, Subscribed, Subscription};
use futures_util::future::join_all;
use projection::Projected;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A consumer, running.
type Running = Pin<Box<dyn Future<Output = Result<(), RunError>> + Send>>;

/// Runs the subscriptions and projections of a program.
///
/// [`run`](Self::run) is a future that the program spawns, or blocks on in a thread of its own; a
/// [handle](Self::handle) tells how all is doing, and stops it.
///
/// ```
/// use midgard::{Midgard, MemoryStore, Subscription};
/// # use midgard::{Append, Event, ExpectedVersion, NewEvent, Store, StreamName};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced { number: u64 }
///
/// # midgard::block_on(async {
/// let store = MemoryStore::new();
/// # let placed = NewEvent::encode(&OrderPlaced { number: 7 })?;
/// # store.append(Append::to(StreamName::new("order-7")?, ExpectedVersion::NoStream, [placed])).await?;
/// let orders = Subscription::<OrderPlaced>::events("mailer");
/// let midgard = Midgard::new(store.clone()).subscribe(orders, |order| async move {
///     println!("a mail about order {}", order.event.number);
///     Ok(())
/// });
/// midgard.catch_up().await?; // or `run`, which goes on until the handle stops it
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "it does nothing until `run` is awaited"]
pub struct Midgard<S> {
    store: S,
    control: Arc<Control>,
    consumers: Vec<(Arc<Progress>, Result<Running, RunError>)>,
}

/// Why a program's consumers ended other than by being stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Two consumers have one name.
    #[error("two of the program's {kind}s are called \"{name}\"; give one of them another name")]
    DuplicateName {
        /// What they are.
        kind: ConsumerKind,
        /// The name.
        name: String,
    },
    /// A name cannot be used.
    #[error(
        "\"{name}\" cannot be the name of a {kind}: a name has 1 to 100 bytes, without slashes; give it another"
    )]
    Name {
        /// What it is.
        kind: ConsumerKind,
        /// The name.
        name: String,
    },
    /// The number of partitions is none that it could have.
    #[error("subscription \"{name}\" has {partitions} partitions: {reason}")]
    Partitions {
        /// The subscription.
        name: String,
        /// The number it has in this program.
        partitions: u32,
        /// Why it cannot have as many, and what to do.
        reason: String,
    },
    /// A handler failed for good, and the policy is to stop there.
    #[error(
        "{kind} \"{name}\" stopped before position {position}: {message}; mend the handler and start it again, or let its policy skip or park"
    )]
    Failed {
        /// What it is.
        kind: ConsumerKind,
        /// Its name.
        name: String,
        /// The position of the event.
        position: Position,
        /// What went wrong.
        message: String,
    },
}

impl<S: Store + Clone> Midgard<S> {
    /// Runs on this store, with nothing to run yet.
    pub fn new(store: S) -> Self {
        Midgard {
            store,
            control: Arc::default(),
            consumers: Vec::new(),
        }
    }

    /// Adds a subscription, and the handler that is called with each of its events.
    pub fn subscribe<E, F, R>(mut self, subscription: Subscription<E>, handler: F) -> Self
    where
        E: Send + 'static,
        F: Fn(Delivery<E>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let kind = ConsumerKind::Subscription;
        let name = subscription.name.clone();
        let progress = Arc::new(Progress::new(&name, kind));
        let running = self.check_name(kind, &name).map(|()| {
            let subscribed = Subscribed::new(self.store.clone(), subscription, handler);
            let (store, control) = (self.store.clone(), self.control.clone());
            let progress = progress.clone();
            let running = supervise::subscription(store, subscribed, control, progress);
            Box::pin(running) as Running
        });
        self.consumers.push((progress, running));
        self
    }

    /// Adds a projection, with the place of its views.
    pub fn project<P: Projection>(self, projection: P, views: P::Store) -> Self {
        self.project_with(projection, views, ConsumerOptions::new())
    }

    /// Adds a projection, with the place of its views, and says how it is run.
    pub fn project_with<P: Projection>(
        mut self,
        projection: P,
        views: P::Store,
        options: ConsumerOptions,
    ) -> Self {
        let kind = ConsumerKind::Projection;
        let progress = Arc::new(Progress::new(P::NAME, kind));
        let running = self.check_name(kind, P::NAME).map(|()| {
            let projected = Projected::new(projection, views, options);
            let (store, control) = (self.store.clone(), self.control.clone());
            let running = projection::run(store, projected, control, progress.clone());
            Box::pin(running) as Running
        });
        self.consumers.push((progress, running));
        self
    }

    fn check_name(&self, kind: ConsumerKind, name: &str) -> Result<(), RunError> {
        if name.is_empty() || name.len() > 100 || name.contains(['/', '\0']) {
            let name = name.to_owned();
            return Err(RunError::Name { kind, name });
        }
        let mut others = self.consumers.iter().map(|(progress, _)| progress.status());
        if others.any(|other| other.kind == kind && other.name == name) {
            let name = name.to_owned();
            return Err(RunError::DuplicateName { kind, name });
        }
        Ok(())
    }

    /// A handle to what is run here.
    #[must_use]
    pub fn handle(&self) -> MidgardHandle {
        let progress = self.consumers.iter().map(|(progress, _)| progress.clone());
        MidgardHandle::new(self.control.clone(), progress.collect())
    }

    /// Runs everything, until a handle stops it. A consumer that fails for good does not end the others.
    ///
    /// # Errors
    /// [`RunError`] at once when the names contradict each other; at the end when a consumer had failed.
    pub async fn run(self) -> Result<(), RunError> {
        let mut all = Vec::new();
        for (_, running) in self.consumers {
            all.push(running?);
        }
        let ends = join_all(all).await;
        ends.into_iter().collect()
    }

    /// Handles everything that the log has now, and ends. Safe to call when there is nothing to do.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn catch_up(self) -> Result<(), RunError> {
        self.control.set(Mode::Drain);
        self.run().await
    }
}

impl<S> fmt::Debug for Midgard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .consumers
            .iter()
            .map(|(progress, _)| progress.status().name);
        f.debug_struct("Midgard")
            .field("consumers", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
