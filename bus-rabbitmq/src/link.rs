//! A connection that is made when it is needed, and made anew when it is lost.

use crate::options::RabbitMqOptions;
use crate::transport;
use crate::trouble::Trouble;
use futures_util::FutureExt;
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::types::ShortString;
use lapin::{Channel, Connection, ConnectionProperties};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// For how long one attempt to connect, or to open a channel, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first wait after a failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often it is looked whether a channel that is to answer is still there.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether a broker takes messages again, and how often that is told.
const BLOCKED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A connection to the broker. Whoever needs it makes it, one attempt at a time, with growing waits after failures.
pub(crate) struct Link {
    options: Arc<RabbitMqOptions>,
    name: String,
    state: Arc<Mutex<State>>,
    seen: Arc<Seen>,
}

/// What is known without waiting for the state.
#[derive(Default)]
struct Seen {
    /// How many attempts there were.
    attempts: AtomicU64,
    /// The largest frame of the last connection, in bytes; 0 when there is no limit, or was no connection.
    largest_frame: AtomicU32,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// How often it failed since it last worked.
    failures: u32,
    /// Before then nothing is tried.
    not_before: Option<Instant>,
    /// How many attempts there were, and what the last came to.
    attempts: u64,
    trouble: Option<Trouble>,
}

impl Link {
    /// A link of this name, which is not connected yet.
    pub(crate) fn new(options: Arc<RabbitMqOptions>, purpose: &str) -> Self {
        Link {
            name: format!("{} ({purpose})", options.connection_name),
            options,
            state: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Opens a channel; makes the connection if there is none.
    pub(crate) async fn channel(&self) -> Result<Channel, Trouble> {
        let seen = self.seen.attempts.load(Ordering::Acquire);
        let handle = runtime()?;
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if !state.is_connected() {
            if state.attempts > seen
                && let Some(trouble) = &state.trouble
            {
                // Another one waited and tried, while this one waited for it.
                return Err(trouble.clone());
            }
            if let Some(then) = state.not_before {
                sleep_until(then).await;
            }
            let (options, seen) = (Arc::clone(&self.options), Arc::clone(&self.seen));
            let attempt = attempt(options, self.name.clone(), state, seen);
            // In a task, so that a caller that gives up in the middle leaves nothing half made.
            state = handle.spawn(attempt).await.map_err(|error| {
                Trouble::unavailable("connect", format!("the attempt ended early: {error}"))
            })?;
            if let Some(trouble) = &state.trouble {
                return Err(trouble.clone());
            }
        }
        let Some(connection) = &state.connection else {
            return Err(Trouble::unavailable("connect", "the connection was lost"));
        };
        let opened = timeout(PATIENCE, connection.create_channel()).await;
        let trouble = match opened {
            Ok(Ok(channel)) => return Ok(channel),
            Ok(Err(error)) => Trouble::new("open a channel", error),
            Err(_) if connection.status().blocked() => {
                // It answers again when it takes messages again. Another connection would let more of them through.
                Trouble::unavailable("open a channel", "the broker takes no messages now")
            }
            Err(_) => {
                state.connection = None;
                Trouble::unavailable(
                    "open a channel",
                    format!("there was no answer within {PATIENCE:?}"),
                )
            }
        };
        state.failed();
        Err(trouble)
    }

    /// What was done over it worked: the next failure is the first.
    pub(crate) async fn worked(&self) {
        self.state.lock().await.failures = 0;
    }

    /// What was done over it failed: whoever tries next waits.
    pub(crate) async fn failed(&self) {
        self.state.lock().await.failed();
    }

    /// Waits while the broker takes no messages, and tells of it.
    pub(crate) async fn until_unblocked(&self) {
        let (started, (look, tell)) = (Instant::now(), BLOCKED);
        let mut told = started;
        while self.is_blocked().await {
            if told.elapsed() >= tell {
                told = Instant::now();
                self.tell_blocked(started.elapsed());
            }
            sleep(look).await;
        }
    }

    /// Tells that publishing has waited for so long.
    pub(crate) fn tell_blocked(&self, waited: Duration) {
        tracing::warn!(
            location = self.options.location(),
            seconds = waited.as_secs(),
            "RabbitMQ takes no messages, because it runs out of memory or disk; publishing waits for it"
        );
    }

    /// The largest frame that the broker takes, in bytes, as far as one knows.
    pub(crate) fn largest_frame(&self) -> Option<usize> {
        match self.seen.largest_frame.load(Ordering::Acquire) {
            0 => None,
            bytes => usize::try_from(bytes).ok(),
        }
    }

    /// Whether the broker has stopped to take messages, because it runs out of memory or disk.
    pub(crate) async fn is_blocked(&self) -> bool {
        let state = self.state.lock().await;
        let connection = state.connection.as_ref();
        connection.is_some_and(|connection| connection.status().blocked())
    }
}

/// The runtime that all of this is to run in.
pub(crate) fn runtime() -> Result<Handle, Trouble> {
    Handle::try_current().map_err(|_| {
        Trouble::unusable(
            "it is used outside of a tokio runtime; call it in one, with its time and io enabled",
        )
    })
}

/// Waits for what a channel is to answer, for as long as it can.
///
/// The client forgets what it is given in the moment in which its connection ends: such a future would never be ready.
pub(crate) async fn while_open<T>(
    channel: &Channel,
    action: &'static str,
    answer: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    let mut answer = pin!(answer);
    loop {
        match timeout(LOOK, &mut answer).await {
            Ok(answer) => return answer,
            Err(_) if channel.status().connected() => {}
            Err(_) => return Err(Trouble::unavailable(action, "the connection was lost")),
        }
    }
}

/// Closes a channel before its consumer is dropped. A consumer that is dropped first is cancelled: then the broker goes on with
/// the next one while it still waits for what the first has not settled, and the order is lost.
pub(crate) fn close(channel: &Channel) {
    // Polled once, it is on its way.
    let _ = channel
        .close(REPLY_SUCCESS, ShortString::default())
        .now_or_never();
}

impl State {
    fn is_connected(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.status().connected())
    }

    fn failed(&mut self) {
        self.not_before = Some(Instant::now() + wait(self.failures));
        self.failures = self.failures.saturating_add(1);
    }
}

/// Connects once, and gives the state back.
async fn attempt(
    options: Arc<RabbitMqOptions>,
    name: String,
    mut state: OwnedMutexGuard<State>,
    seen: Arc<Seen>,
) -> OwnedMutexGuard<State> {
    state.attempts += 1;
    state.connection = None;
    match connect(&options, name).await {
        Ok(connection) => {
            tracing::debug!(location = options.location(), "connected to RabbitMQ");
            let largest = connection.configuration().frame_max();
            seen.largest_frame.store(largest, Ordering::Release);
            state.connection = Some(connection);
            state.trouble = None;
        }
        Err(trouble) => {
            state.trouble = Some(trouble);
            state.failed();
        }
    }
    seen.attempts.store(state.attempts, Ordering::Release);
    state
}

async fn connect(options: &RabbitMqOptions, name: String) -> Result<Connection, Trouble> {
    let uri = options.uri.clone().map_err(Trouble::unusable)?;
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let connecting = transport::connect(uri, options.tls.clone(), properties, Handle::current());
    match timeout(PATIENCE, connecting).await {
        Ok(connection) => connection.map_err(|error| Trouble::new("connect", error)),
        Err(_) => Err(Trouble::unavailable(
            "connect",
            format!("there was no answer within {PATIENCE:?}"),
        )),
    }
}

/// How long to wait after this many failures, from 0: between half of a time that doubles, and all of it.
pub(crate) fn wait(failures: u32) -> Duration {
    let (first, longest) = WAITS;
    let most = first.saturating_mul(1 << failures.min(10)).min(longest);
    let random = RandomState::new().build_hasher().finish() % 1000;
    most / 2 + most.mul_f64(0.0005 * random as f64)
}
