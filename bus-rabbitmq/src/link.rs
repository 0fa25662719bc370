//! A connection that is opened when it is needed, and replaced when it is lost.

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

/// The longest time for one attempt to connect, or to open a channel.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first wait after a failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often to check that a channel that should answer is still open.
const LOOK: Duration = Duration::from_secs(1);
/// How often to check whether a broker accepts messages again, and how often to report that.
const BLOCKED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A connection to the broker. The first use opens it; there is one attempt at a time, with growing waits after
/// failures.
pub(crate) struct Link {
    options: Arc<RabbitMqOptions>,
    name: String,
    state: Arc<Mutex<State>>,
    seen: Arc<Seen>,
}

/// Facts that are available without waiting for the state.
#[derive(Default)]
struct Seen {
    /// The number of attempts.
    attempts: AtomicU64,
    /// The largest frame of the last connection, in bytes; 0 if it has no limit, or there was no connection.
    largest_frame: AtomicU32,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// How often it failed since it last worked.
    failures: u32,
    /// No attempt is made before then.
    not_before: Option<Instant>,
    /// The number of attempts, and the result of the last.
    attempts: u64,
    trouble: Option<Trouble>,
}

impl Link {
    /// Returns a link with this name, which is not connected yet.
    pub(crate) fn new(options: Arc<RabbitMqOptions>, purpose: &str) -> Self {
        Link {
            name: format!("{} ({purpose})", options.connection_name),
            options,
            state: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// Opens a channel; connects if necessary.
    pub(crate) async fn channel(&self) -> Result<Channel, Trouble> {
        let seen = self.seen.attempts.load(Ordering::Acquire);
        let handle = runtime()?;
        let mut state = Arc::clone(&self.state).lock_owned().await;
        if !state.is_connected() {
            if state.attempts > seen
                && let Some(trouble) = &state.trouble
            {
                // Another caller tried while this one waited.
                return Err(trouble.clone());
            }
            if let Some(then) = state.not_before {
                sleep_until(then).await;
            }
            let (options, seen) = (Arc::clone(&self.options), Arc::clone(&self.seen));
            let attempt = attempt(options, self.name.clone(), state, seen);
            // In a task, so that a caller that gives up midway leaves nothing half done.
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
                Trouble::unavailable("open a channel", "the broker accepts no messages now")
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

    /// Notes a success: the next failure is the first.
    pub(crate) async fn worked(&self) {
        self.state.lock().await.failures = 0;
    }

    /// Notes a failure: the next attempt waits.
    pub(crate) async fn failed(&self) {
        self.state.lock().await.failed();
    }

    /// Waits while the broker accepts no messages, and reports that.
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

    /// Reports that publishing has waited for this long.
    pub(crate) fn tell_blocked(&self, waited: Duration) {
        tracing::warn!(
            location = self.options.location(),
            seconds = waited.as_secs(),
            "RabbitMQ accepts no messages, because it is running out of memory or disk; publishing waits for it"
        );
    }

    /// Returns the largest frame that the broker accepts, in bytes, as far as it is known.
    pub(crate) fn largest_frame(&self) -> Option<usize> {
        match self.seen.largest_frame.load(Ordering::Acquire) {
            0 => None,
            bytes => usize::try_from(bytes).ok(),
        }
    }

    /// Returns whether the broker accepts no messages because it is running out of memory or disk.
    pub(crate) async fn is_blocked(&self) -> bool {
        let state = self.state.lock().await;
        let connection = state.connection.as_ref();
        connection.is_some_and(|connection| connection.status().blocked())
    }
}

/// Returns the runtime that all of this runs in.
pub(crate) fn runtime() -> Result<Handle, Trouble> {
    Handle::try_current().map_err(|_| {
        Trouble::unusable(
            "it is used outside of a tokio runtime; call it in one, with its time and io enabled",
        )
    })
}

/// Waits for the answer of a channel, as long as the channel can answer.
///
/// When a connection ends, the client may drop a request made at that moment: its future would never be ready.
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

/// Closes a channel before its consumer is dropped. A consumer that is dropped first is cancelled: then the broker
/// continues with the next one while it still waits for the first one's unsettled messages, and the order is lost.
pub(crate) fn close(channel: &Channel) {
    // One poll sends it.
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

/// Connects once, and returns the state.
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

/// Returns how long to wait after this many failures, from 0: between half of a time that doubles, and all of it.
pub(crate) fn wait(failures: u32) -> Duration {
    let (first, longest) = WAITS;
    let most = first.saturating_mul(1 << failures.min(10)).min(longest);
    let random = RandomState::new().build_hasher().finish() % 1000;
    most / 2 + most.mul_f64(0.0005 * random as f64)
}
