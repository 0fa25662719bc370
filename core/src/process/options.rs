//! How a process manager is run.

use super::{ProcessManager, Replies, Unconfigured};
use crate::bus::{Queue, Subscriber};
use crate::consumer::ended::Running;
use crate::consumer::start::StartFrom;
use crate::consumer::{ConsumerOptions, FailurePolicy};
use crate::inbox::{Declaration, InboxOptions, InboxWorker, declaration, receive};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Gives what receives the answers, once there is what takes them.
type Receiving<P> = dyn Fn(Arc<InboxWorker<Replies<P>>>) -> Running + Send;

/// Gives what declares the queue of the replies.
type Declaring = dyn FnOnce(Queue) -> Declaration + Send;

/// The processes of one kind, and how they are run. The [guide](crate#between-services) shows it.
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
    /// Runs the processes of one kind. `start` is where they begin when they were never run; later it is of no matter. A
    /// reaction that fails is tried again five times, and then the event is parked, with the later ones of its process; other
    /// processes go on.
    ///
    /// Events before the start are not known to them. When later events of what began before belong to a process, as
    /// [`React::process`](crate::React::process) has it, that process begins in the middle. With [`StartFrom::Start`] a
    /// process manager that is added to a service reacts to all of its history, and sends the commands that follow from it.
    ///
    /// A process manager with a configuration gets it by [`with_config`](Self::with_config).
    pub fn new(start: StartFrom) -> Self
    where
        P::Config: Unconfigured,
    {
        Processes::with_config(start, P::Config::none())
    }

    /// As [`new`](Self::new), of a process manager that has a configuration, `config = ..` of its derive: fees, limits, texts, what
    /// the program has read from its settings. Reactions read it by [`Reactions::config`](super::Reactions::config).
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

    /// The bus over which answers come to the commands that they send. The commands leave by the
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

    /// For how long a worker may be silent before others take over. See [`ConsumerOptions::lease`].
    pub fn lease(mut self, silence: Duration) -> Self {
        self.options = self.options.lease(silence);
        self
    }

    /// How they are run: also what is done about a reaction that fails, as nothing of what [`new`](Self::new) says is
    /// left. The sequence of an event is its process in any case.
    pub fn options(mut self, options: ConsumerOptions) -> Self {
        self.options = by_process::<P>(options);
        self
    }

    /// How answers are received.
    pub fn inbox_options(mut self, options: InboxOptions) -> Self {
        self.inbox = options;
        self
    }
}

fn by_process<P: ProcessManager>(options: ConsumerOptions) -> ConsumerOptions {
    options.sequence_by(|event| {
        // What cannot be read belongs to no process, and is in nobody's way but its stream's.
        let processes = P::processes_of(event).unwrap_or_default();
        let first = processes.first();
        first.map_or(Cow::Borrowed(event.stream), |process| {
            Cow::Owned(process.id.to_string())
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
