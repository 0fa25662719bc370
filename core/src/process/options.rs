//! How a process manager is run.

use super::{ProcessManager, Replies, Unconfigured};
use crate::aggregate::IdText;
use crate::bus::{Queue, Subscriber};
use crate::consumer::ended::RunningConsumer;
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::inbox::{Declaration, InboxOptions, InboxWorker, declaration, receive};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Creates the future that receives the answers, from the worker that handles them.
type Receiving<P> = dyn Fn(Arc<InboxWorker<Replies<P>>>) -> RunningConsumer + Send;

/// Creates the declaration of the queue of the replies.
type Declaring = dyn FnOnce(Queue) -> Declaration + Send;

/// The processes of one kind, and their options. The [guide](crate::guide::services) has an example.
#[must_use = "pass it to `Midgard::process_manager`"]
pub struct Processes<P: ProcessManager> {
    pub(crate) config: P::Config,
    pub(crate) start: StartFrom,
    pub(crate) options: ConsumerOptions,
    pub(crate) inbox: InboxOptions,
    pub(crate) receiving: Option<Box<Receiving<P>>>,
    /// Declares the queue of the replies.
    pub(crate) declaration: Option<Box<Declaring>>,
}

impl<P: ProcessManager> Processes<P> {
    /// Creates the processes of one kind. `start` is where they begin if they have never run; it has no effect later. A
    /// reaction that fails is retried five times; then its event is parked, with the later events of its process, and other
    /// processes continue.
    ///
    /// Events before the start are unknown to the processes. If [`React::process`](crate::React::process) assigns later events
    /// to something that began earlier, the process begins in the middle. With
    /// [`StartFrom::Start`], a process manager that is added to a service reacts to all of its history, and sends the
    /// commands that follow from it.
    ///
    /// A process manager with a configuration is created by [`with_config`](Self::with_config).
    pub fn new(start: StartFrom) -> Self
    where
        P::Config: Unconfigured,
    {
        Processes::with_config(start, P::Config::none())
    }

    /// Does what [`new`](Self::new) does, for a process manager that has a configuration, `config = ..` of its derive:
    /// fees, limits, texts, and other settings of the program. Reactions read it by
    /// [`Reactions::config`](super::Reactions::config).
    ///
    /// ```
    /// # use midgard::event::RecordedEventRef;
    /// # use midgard::{Event, Expire, ProcessManager, Processes, React, Reactions, StartFrom};
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "order.placed")]
    /// # struct OrderPlaced { order: u64 }
    /// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    /// # #[event(name = "order.unpaid")]
    /// # struct Unpaid {}
    /// struct Terms { time_to_pay: Duration }
    ///
    /// #[derive(Default, ProcessManager)]
    /// #[process_manager(name = "payment", id = u64, config = Terms, events(OrderPlaced), deadlines(Unpaid))]
    /// struct Payment {}
    ///
    /// impl React<OrderPlaced> for Payment {
    ///     fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> { Some(event.order) }
    ///
    ///     fn react(&mut self, _: OrderPlaced, reactions: &mut Reactions<Self>) {
    ///         reactions.remind(reactions.config().time_to_pay, &Unpaid {});
    ///     }
    /// }
    /// # impl Expire<Unpaid> for Payment { fn expired(&mut self, _: Unpaid, _: &mut Reactions<Self>) {} }
    ///
    /// let payments = Processes::<Payment>::with_config(StartFrom::Start, Terms { time_to_pay: Duration::from_secs(900) });
    /// # let _ = payments;
    /// ```
    pub fn with_config(start: StartFrom, config: P::Config) -> Self {
        let options = ConsumerOptions::new().on_failure(FailurePolicy::retry(5).then_park());
        Processes {
            config,
            start,
            options: by_process::<P>(options),
            inbox: InboxOptions::new(),
            receiving: None,
            declaration: None,
        }
    }

    /// Sets the bus over which the answers to their commands arrive. The commands leave through the
    /// [outbox](crate::Outbox).
    pub fn replies_from(mut self, bus: impl Subscriber) -> Self {
        let bus = Arc::new(bus);
        let declared = bus.clone();
        self.receiving = Some(Box::new(move |worker| {
            Box::pin(receive(worker, bus.clone()))
        }));
        self.declaration = Some(Box::new(|queue| declaration(declared, queue)));
        self
    }

    /// Sets how long a worker may be silent before others take over. See [`ConsumerOptions::lease`].
    pub fn lease(mut self, silence: Duration) -> Self {
        self.options = self.options.lease(silence);
        self
    }

    /// Replaces all options, including the failure policy that [`new`](Self::new) sets. The sequence of an event is always
    /// its process.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.options = by_process::<P>(options);
        self
    }

    /// Sets how answers are received.
    pub fn inbox_options(mut self, options: InboxOptions) -> Self {
        self.inbox = options;
        self
    }
}

fn by_process<P: ProcessManager>(options: ConsumerOptions) -> ConsumerOptions {
    options.sequence_by(|event| {
        // An event that cannot be read belongs to no process, and blocks only its stream.
        let processes = P::processes_of(event).unwrap_or_default();
        let first = processes.first();
        first.map_or(Cow::Borrowed(event.stream), |process| {
            Cow::Owned(IdText(&process.id).to_string())
        })
    })
}

impl<P: ProcessManager> fmt::Debug for Processes<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processes")
            .field("process_manager", &P::NAME)
            .field("start", &self.start)
            .field("options", &self.options)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
