//! One value that runs all consumers of a program.

mod adding;
mod generations;
mod handle;
mod notebook;
mod program;
mod projection;
mod running;

pub use handle::MidgardHandle;
pub use running::Running;

use crate::bus::{BusError, Publisher, Subscriber, Topic};
use crate::clock::Clock;
use crate::consumer::about::{seen_of_projection, seen_of_subscription};
use crate::consumer::control::{Control, Mode};
use crate::consumer::handler::Continuous as _;
use crate::consumer::notebook::NotebookOf;
use crate::consumer::notes::Keys;
use crate::consumer::progress::Progress;
use crate::consumer::status::ConsumerKind;
use crate::consumer::{ConsumerOptions, HandlerError, RunError, supervise};
use crate::inbox::{
    Declaration, Inbox, InboxDispatch, InboxOptions, declaration, queue_of, receive,
};
use crate::outbox::{Outbox, Outboxes, Relay, come_back};
use crate::process::{ProcessBook, ProcessManager, Processes, Reacting, Replies, Steps, watch};
use crate::projection::{Projected, Projection};
use crate::store::{DynStore, Store};
use crate::subscription::{Delivery, Subscribed, Subscription};
use crate::unit_of_work::UnitOfWorkStore;
use adding::is_name;
use futures_util::future::{Either, join, select};
use program::{Added, STOP_WITHIN, Spawner};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// Runs the subscriptions, projections, process managers, inboxes and outboxes of a program.
///
/// [`run`](Self::run) is a future that the program spawns, or blocks on in a thread of its own; a
/// [handle](Self::handle) shows the status of each and stops them.
///
/// ```
/// use midgard::{MemoryStore, Midgard, StartFrom, Subscription};
/// # use midgard::store::{Append, ExpectedVersion};
/// # use midgard::{Event, Store, StreamName};
/// # use midgard::event::NewEvent;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced { number: u64 }
///
/// # midgard::block_on(async {
/// let store = MemoryStore::new();
/// # let placed = NewEvent::encode(&OrderPlaced { number: 7 })?;
/// # store.append(Append::to(StreamName::new("order-7")?, ExpectedVersion::NoStream, [placed])).await?;
/// let orders = Subscription::<OrderPlaced>::events("mailer", StartFrom::Start);
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
    consumers: Vec<Added>,
    declarations: Vec<Declaration>,
    /// The consumers whose commands or answers leave by an outbox.
    senders: Vec<(ConsumerKind, String)>,
    is_outbox_elsewhere: bool,
    spawner: Option<Spawner>,
    stop_within: Duration,
    outboxes: Outboxes,
    /// Whether one of the outboxes carries commands and answers.
    has_carrier: bool,
}

impl<S: Store + Clone> Midgard<S> {
    /// Creates a program on this store, with nothing to run yet.
    pub fn new(store: S) -> Self {
        Midgard::with_clock(store, Clock::system())
    }

    /// Creates a program with another clock than the system's, such as a [`ManualClock`](crate::clock::ManualClock) in
    /// tests. The clock decides when deadlines of process managers pass, and dates what is parked. Give the store the same one.
    pub fn with_clock(store: S, clock: impl Into<Clock>) -> Self {
        Midgard {
            store,
            control: Arc::new(Control::new(clock.into())),
            consumers: Vec::new(),
            declarations: Vec::new(),
            senders: Vec::new(),
            outboxes: Outboxes::default(),
            has_carrier: false,
            is_outbox_elsewhere: false,
            spawner: None,
            stop_within: STOP_WITHIN,
        }
    }

    /// Adds a subscription, and the handler that is called with each of its events.
    pub fn subscribe<E, F, R>(self, subscription: Subscription<E>, handler: F) -> Self
    where
        E: Send + 'static,
        F: Fn(Delivery<E>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send + 'static,
    {
        let subscribed = Subscribed::new(self.store.clone(), subscription, handler);
        let name = subscribed.name().to_owned();
        let keys = Keys::new("subscription", &name);
        let notebook = NotebookOf {
            handler: subscribed,
            keys,
            seen: seen_of_subscription,
            is_projection: false,
        };
        let kind = ConsumerKind::Subscription;
        self.add(kind, &name, notebook, supervise::continuous)
    }

    /// Adds a projection, with the store of its views: [`Views`](crate::Views), or what becomes them, such as the
    /// `PostgresViews` of `midgard-store-postgres`.
    pub fn project<P: Projection>(self, projection: P, views: impl Into<P::Store>) -> Self {
        self.project_with(projection, views, ConsumerOptions::new())
    }

    /// Adds a projection, with the store of its views and options.
    pub fn project_with<P: Projection>(
        self,
        projection: P,
        views: impl Into<P::Store>,
        options: ConsumerOptions,
    ) -> Self {
        let notebook = NotebookOf {
            handler: Projected::new(projection, views.into(), options),
            keys: Keys::new("projection", P::NAME),
            seen: seen_of_projection,
            is_projection: true,
        };
        let kind = ConsumerKind::Projection;
        self.add(kind, P::NAME, notebook, projection::run)
    }

    /// Adds an outbox, with the bus that it publishes to. Its messages need [queues](Self::declare) to receive them.
    pub fn outbox(mut self, mut outbox: Outbox, bus: impl Publisher) -> Self {
        // If two outboxes sent it, a command would come from two sources, and be handled twice.
        outbox.carries_commands &= !self.has_carrier;
        self.has_carrier |= outbox.carries_commands;
        let name = outbox.name().to_owned();
        self.outboxes.add(&name);
        let bus_id = outbox
            .bus()
            .filter(|id| !is_name(id))
            .map(ToOwned::to_owned);
        let (control, outboxes) = (self.control.clone(), self.outboxes.clone());
        let notebook = NotebookOf {
            keys: outbox.keys(),
            handler: Relay::new(outbox, self.store.clone(), bus, control, outboxes),
            seen: seen_of_subscription,
            is_projection: false,
        };
        let kind = ConsumerKind::Outbox;
        let mut added = self.add(
            kind,
            &name,
            notebook,
            |store, notebook, control, progress| async move {
                let aside = pin!(come_back(
                    notebook.clone(),
                    control.clone(),
                    progress.clone()
                ));
                let relay = pin!(supervise::continuous(store, notebook, control, progress));
                match select(relay, aside).await {
                    Either::Left((ended, _)) => ended,
                    // The program ends.
                    Either::Right(((), relay)) => relay.await,
                }
            },
        );
        if let (Some(id), Some(last)) = (bus_id, added.consumers.last_mut())
            && last.running.is_ok()
        {
            // Reported by `run`.
            last.running = Err(RunError::BusId { name, id });
        }
        added
    }

    /// Adds an inbox, with the bus that it receives from. Its answers to commands leave by an
    /// [outbox](Self::outbox), which this program needs too, unless [another program](Self::outbox_elsewhere) has it.
    pub fn inbox<I: Inbox>(self, inbox: I, bus: impl Subscriber) -> Self {
        self.inbox_with(inbox, bus, InboxOptions::new())
    }

    /// Adds an inbox, with the bus that it receives from and options.
    pub fn inbox_with<I: Inbox>(
        mut self,
        inbox: I,
        bus: impl Subscriber,
        options: InboxOptions,
    ) -> Self {
        let (bus, handlers) = (Arc::new(bus), InboxDispatch(inbox));
        let queue = queue_of(&handlers, &options);
        if queue.topics().iter().any(Topic::is_command) {
            self.senders.push((ConsumerKind::Inbox, I::NAME.to_owned()));
        }
        self.declarations.push(declaration(bus.clone(), queue));
        let worker = self.worker(I::NAME, I::NAME, handlers, options);
        self.add_with(worker.progress.clone(), worker, move |_, worker, _, _| {
            receive(worker, bus.clone())
        })
    }

    /// Adds a process manager. The commands that it sends leave by an [outbox](Self::outbox), which this program needs
    /// too, unless [another program](Self::outbox_elsewhere) has it.
    pub fn process_manager<P: ProcessManager>(self, mut processes: Processes<P>) -> Self {
        let work = UnitOfWorkStore::new(DynStore::new(self.store.clone()));
        let receiving = processes.receiving.take();
        let declaration = processes.declaration.take();
        let (start, options) = (processes.start, processes.options);
        let steps = Arc::new(Steps::new(work, processes.config, self.control.clone()));
        let notebook = Arc::new(NotebookOf {
            handler: Reacting::<P>::new(steps.clone(), start, options),
            keys: Keys::new("process", P::NAME),
            seen: seen_of_subscription,
            is_projection: false,
        });
        let kind = ConsumerKind::ProcessManager;
        let progress = Arc::new(Progress::new(P::NAME, kind));
        let book = ProcessBook(notebook.clone());
        let deadlines = steps.clone();
        let mut added = self.add_with(progress, book, move |store, _, control, progress| {
            let deadlines = watch(deadlines.clone(), control.clone(), progress.clone());
            let reacting = supervise::continuous(store, notebook.clone(), control, progress);
            async { join(reacting, deadlines).await.0 }
        });
        let replies = Replies(steps.clone());
        let queue = queue_of(&replies, &processes.inbox);
        added
            .declarations
            .extend(declaration.map(|declaration| declaration(queue)));
        if P::SENDS {
            let sender = (ConsumerKind::ProcessManager, P::NAME.to_owned());
            added.senders.push(sender);
        }
        added.add_replies(steps, receiving, processes.inbox)
    }

    /// Returns a handle to the consumers added so far: call it after all are added.
    #[must_use]
    pub fn handle(&self) -> MidgardHandle {
        let consumers = self.consumers.iter().map(|added| added.consumer.clone());
        let log = Arc::new(self.store.clone());
        MidgardHandle::new(log, self.control.clone(), consumers.collect())
    }

    /// Creates the queues of all inboxes, and of all process managers that wait for replies, that were added so far. From then
    /// on, messages published for them wait there, even before anything runs.
    ///
    /// [`run`](Self::run) does the same. Call this before any service of a system runs, so that no service publishes
    /// messages for which another has no queue yet: at the first start of a system, or with a bus within a process.
    ///
    /// # Errors
    /// [`BusError`] when a bus cannot be reached or used. Calling it again does no harm.
    pub fn declare(&self) -> impl Future<Output = Result<(), BusError>> + Send + use<S> {
        let all: Vec<_> = self.declarations.iter().map(|declare| declare()).collect();
        async move {
            for declaring in all {
                declaring.await?;
            }
            Ok(())
        }
    }

    /// Handles everything that is in the log now, and ends, as after [`drain`](MidgardHandle::drain). Safe to call when
    /// there is nothing to do.
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
            .map(|added| added.consumer.progress.name());
        f.debug_struct("Midgard")
            .field("consumers", &names.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
