//! The loop of an inbox: it receives messages, handles those of one key one after the other, and settles them.

use super::InboxOptions;
use super::dispatch::Dispatch;
use super::handling::InboxWorker;
use super::jobs::{Done, Job, Settled};
use super::memory::Memory;
use super::unread::{AT_ONCE, Search};
use crate::bus::{BusError, Deliveries, Queue, Received, Subscriber};
use crate::consumer::control::Mode;
use crate::consumer::ended::RunError;
use crate::consumer::status::ConsumerState;
use crate::consumer::supervise::until_restarted;
use crate::give_way::give_way;
use futures_timer::Delay;
use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, Either, pending, select};
use futures_util::stream::FuturesUnordered;
use std::collections::{HashMap, HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often to check for requests of other processes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait for the messages in hand before receiving more, where those can hardly be acknowledged.
const PATIENCE: Duration = Duration::from_millis(50);
/// After how many messages the other consumers of the program have a turn.
const MESSAGES_PER_TURN: u32 = 64;

/// Returns the queue of an inbox.
pub(crate) fn queue_of<D: Dispatch>(dispatch: &D, options: &InboxOptions) -> Queue {
    Queue::new(dispatch.queue(), dispatch.topics()).with_in_flight(options.in_flight)
}

/// Declares a queue.
pub(crate) type Declaration = Box<dyn Fn() -> Declaring + Send + Sync>;
type Declaring = BoxFuture<'static, Result<(), BusError>>;

/// Returns a function that declares a queue at a bus.
pub(crate) fn declaration(bus: Arc<impl Subscriber>, queue: Queue) -> Declaration {
    Box::new(move || {
        let (bus, queue) = (bus.clone(), queue.clone());
        Box::pin(async move { bus.declare(&queue).await })
    })
}

/// Receives and handles, until the program ends.
pub(crate) async fn receive<D: Dispatch, B: Subscriber>(
    worker: Arc<InboxWorker<D>>,
    bus: B,
) -> Result<(), RunError> {
    let control = worker.control.clone();
    let received = receive_until_end(worker, bus).await;
    if received.is_err() {
        // An outbox must not wait forever for this inbox to handle a message.
        control.lose_receiver();
    }
    received
}

async fn receive_until_end<D: Dispatch, B: Subscriber>(
    worker: Arc<InboxWorker<D>>,
    bus: B,
) -> Result<(), RunError> {
    let queue = queue_of(&worker.dispatch, &worker.options);
    let (mut failures, mut upkeep) = (0, Upkeep::default());
    loop {
        let wake_count = worker.control.wake_count();
        if worker.control.is_over_for_receivers() {
            break;
        }
        let subscribing = pin!(bus.subscribe(&queue));
        let error = match select(subscribing, pin!(until_end(&worker))).await {
            Either::Right(_) => break,
            Either::Left((Err(error), _)) => error,
            Either::Left((Ok(deliveries), _)) => {
                let session = Session::new(&worker, deliveries, &mut upkeep);
                match session.run(&mut failures).await {
                    End::Stopped => break,
                    End::Lost(error) => error,
                    End::Failed(times, message) => {
                        until_restarted(&worker.control, &worker.progress, None, times, message)
                            .await?;
                        continue;
                    }
                }
            }
        };
        failures += 1;
        let message = error.to_string();
        if let BusError::Unusable { .. } = error {
            until_restarted(&worker.control, &worker.progress, None, failures, message).await?;
            continue;
        }
        let state = ConsumerState::Retrying;
        worker.progress.failed(state, None, failures, message);
        worker.control.back_off(wake_count, failures).await;
    }
    worker.progress.set_state(ConsumerState::Stopped);
    Ok(())
}

/// Waits until the program ends.
async fn until_end<D>(worker: &InboxWorker<D>) {
    loop {
        let wake_count = worker.control.wake_count();
        if worker.control.is_over_for_receivers() {
            return;
        }
        worker.control.pause(wake_count, CHECK_INTERVAL).await;
    }
}

/// Why a session has ended.
enum End {
    Stopped,
    Lost(BusError),
    Failed(u32, String),
}

/// What a session handles next.
#[allow(clippy::large_enum_variant)]
enum Next {
    Message(Result<Received, BusError>),
    JobDone(Done),
}

/// The upkeep between messages, whichever subscription they come from.
#[derive(Default)]
struct Upkeep {
    search: Search,
    memory: Memory,
}

/// The work on the messages of one subscription.
struct Session<'a, D, R> {
    worker: &'a Arc<InboxWorker<D>>,
    deliveries: R,
    upkeep: &'a mut Upkeep,
    /// How many messages are in hand, and how many may be: fewer after a connection was lost before they could be
    /// acknowledged, as they are then delivered again.
    in_hand: usize,
    most_in_hand: usize,
    /// How many messages the current connection has delivered.
    received: usize,
    /// The keys that are at work, with the jobs that wait.
    keys: HashMap<String, VecDeque<Job>>,
    at_work: FuturesUnordered<BoxFuture<'a, Done>>,
    /// The parked messages with a request among the jobs.
    requests: HashSet<String>,
    /// When requests were last read, and the number of requests by then.
    requests_read: Option<(Instant, u64)>,
    /// Foreign input has no key: each gets its own.
    strangers: u64,
}

impl<'a, D: Dispatch, R: Deliveries> Session<'a, D, R> {
    fn new(worker: &'a Arc<InboxWorker<D>>, deliveries: R, upkeep: &'a mut Upkeep) -> Self {
        Session {
            worker,
            deliveries,
            upkeep,
            in_hand: 0,
            most_in_hand: worker.options.in_flight.into(),
            received: 0,
            keys: HashMap::new(),
            at_work: FuturesUnordered::new(),
            requests: HashSet::new(),
            requests_read: None,
            strangers: 0,
        }
    }

    async fn run(mut self, failures: &mut u32) -> End {
        let mut turns = 0;
        show_parked(self.worker).await;
        let end = loop {
            let wake_count = self.worker.control.wake_count();
            if self.worker.control.is_over_for_receivers() {
                break End::Stopped;
            }
            turns += 1;
            if turns % MESSAGES_PER_TURN == 0 {
                give_way().await;
            }
            self.enqueue_requests(wake_count).await;
            self.enqueue_unread().await;
            if let Err(error) = self.worker.forget(&mut self.upkeep.memory).await {
                tracing::warn!(%error, "messages that were handled long ago are not forgotten yet");
            }
            match self.next(wake_count).await {
                None => {}
                Some(Next::Message(Ok(received))) => {
                    *failures = 0;
                    self.worker.progress.set_state(ConsumerState::Live);
                    self.enqueue_message(received);
                }
                Some(Next::Message(Err(error @ BusError::Unavailable { .. }))) => {
                    *failures += 1;
                    let (state, message) = (ConsumerState::Retrying, error.to_string());
                    self.worker.progress.failed(state, None, *failures, message);
                    self.forget_waiting();
                }
                Some(Next::Message(Err(error))) => break End::Lost(error),
                Some(Next::JobDone(done)) => {
                    let goes_on = self.worker.control.mode() != Mode::Stop;
                    if let Some(end) = self.finish(done, goes_on) {
                        break end;
                    }
                }
            }
        };
        // Finish the jobs that have begun. Those that wait are delivered again, unless the inbox is drained.
        while let Some(done) = self.at_work.next().await {
            let is_drained =
                matches!(end, End::Stopped) && self.worker.control.mode() == Mode::Drain;
            self.finish(done, is_drained);
        }
        end
    }

    /// Waits for a finished job, for a message, or for a request. Received messages go before new ones: a bus that always
    /// has another must not keep them from being handled.
    async fn next(&mut self, wake_count: u64) -> Option<Next> {
        let is_full = self.in_hand >= self.most_in_hand;
        let wait = match self.requests.len() {
            AT_ONCE.. => CHECK_INTERVAL,
            _ => CHECK_INTERVAL.min(self.upkeep.search.wait()),
        };
        let next = pin!(async {
            if is_full {
                // Not forever: the messages in hand may be blocked, and others must not wait for them.
                Delay::new(PATIENCE).await;
            }
            self.deliveries.next().await
        });
        let done = pin!(async {
            match self.at_work.next().await {
                Some(done) => done,
                None => pending().await,
            }
        });
        let first = select(done, next);
        Some(
            match self.worker.control.wait(wake_count, wait, first).await? {
                Either::Left((done, _)) => Next::JobDone(done),
                Either::Right((received, _)) => Next::Message(received),
            },
        )
    }

    fn enqueue_message(&mut self, received: Received) {
        let key = match &received.content {
            Ok(message) => self.worker.dispatch.line(message).key.to_owned(),
            Err(_) => {
                self.strangers += 1;
                // No message's key begins with this character.
                format!("\0{}", self.strangers)
            }
        };
        (self.in_hand, self.received) = (self.in_hand + 1, self.received + 1);
        self.enqueue(key, Job::Message(received));
    }

    fn enqueue(&mut self, key: String, job: Job) {
        if let Some(waiting) = self.keys.get_mut(&key) {
            waiting.push_back(job);
            return;
        }
        self.keys.insert(key.clone(), VecDeque::new());
        self.begin(key, job);
    }

    fn begin(&self, key: String, job: Job) {
        let worker = self.worker;
        self.at_work.push(Box::pin(job.run(worker, key)));
    }

    /// Removes a finished job, and begins the next of its key.
    fn finish(&mut self, done: Done, goes_on: bool) -> Option<End> {
        if let Some(number) = &done.request {
            self.requests.remove(number);
        } else {
            self.in_hand -= 1;
        }
        let goes_on = match done.settled {
            Settled::Done => {
                if done.request.is_none() {
                    let all = usize::from(self.worker.options.in_flight);
                    self.most_in_hand = all.min(self.most_in_hand + 1);
                }
                goes_on
            }
            Settled::Unacknowledged => goes_on,
            Settled::Waits => {
                let number = done.request.unwrap_or_default();
                self.upkeep.search.forget(&number);
                goes_on
            }
            Settled::Abandoned(tries) if self.worker.control.mode() == Mode::Drain => {
                // It must not be overtaken, and the caller of the drain must learn of it.
                return Some(End::Failed(tries.setbacks.troubles(), tries.last));
            }
            Settled::Abandoned(_) => false,
            Settled::Failed(failures, message) => return Some(End::Failed(failures, message)),
        };
        let next = self.keys.get_mut(&done.key).and_then(VecDeque::pop_front);
        match next {
            Some(job) if goes_on => self.begin(done.key, job),
            _ => drop(self.keys.remove(&done.key)),
        }
        None
    }

    /// Forgets the waiting messages after the bus was away: they are delivered again, in order, and must not be kept twice.
    fn forget_waiting(&mut self) {
        for waiting in self.keys.values_mut() {
            let before = waiting.len();
            waiting.retain(|job| matches!(job, Job::Request(_)));
            self.in_hand -= before - waiting.len();
        }
        // If the connection ends after this many messages, fewer can be acknowledged before it does.
        let half = std::mem::take(&mut self.received) / 2;
        self.most_in_hand = self.most_in_hand.min(half.max(1));
    }

    async fn enqueue_requests(&mut self, wake_count: u64) {
        let is_due =
            |(at, seen): &(Instant, u64)| at.elapsed() >= CHECK_INTERVAL || *seen != wake_count;
        if !self.requests_read.as_ref().is_none_or(is_due) {
            return;
        }
        self.requests_read = Some((Instant::now(), wake_count));
        match self.worker.asked(&self.requests).await {
            Ok(requests) => {
                for request in requests {
                    if self.requests.insert(request.number.clone()) {
                        self.enqueue(request.key.clone(), Job::Request(request));
                    }
                }
            }
            Err(error) => {
                tracing::warn!(%error, "requests about parked messages could not be read");
            }
        }
    }

    async fn enqueue_unread(&mut self) {
        if !self.upkeep.search.wait().is_zero() || self.requests.len() >= AT_ONCE {
            return;
        }
        match self.worker.search(&mut self.upkeep.search).await {
            Ok(unread) => {
                for request in unread {
                    if self.requests.insert(request.number.clone()) {
                        self.enqueue(request.key.clone(), Job::Request(request));
                    }
                }
            }
            Err(error) => {
                self.upkeep.search.put_off(CHECK_INTERVAL);
                tracing::warn!(%error, "parked messages could not be searched");
            }
        }
    }
}

async fn show_parked<D: Dispatch>(worker: &InboxWorker<D>) {
    let parked = worker.count_parked().await.unwrap_or_default();
    worker.progress.update(|status| {
        status.state = ConsumerState::Live;
        status.parked = parked;
    });
}
