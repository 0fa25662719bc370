//! A connection that is made when it is needed, and made anew when it is lost.

use crate::options::RabbitMqOptions;
use crate::transport;
use crate::trouble::Trouble;
use futures_util::FutureExt;
use lapin::protocol::constants::REPLY_SUCCESS;
use lapin::types::ShortString;
use lapin::{Channel, Connection, ConnectionProperties};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout};

/// For how long one attempt to connect, or to open a channel, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first wait after a failure, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A connection to the broker. Whoever needs it makes it, one attempt at a time, with growing waits after failures.
pub(crate) struct Link {
    options: Arc<RabbitMqOptions>,
    name: String,
    state: Arc<Mutex<State>>,
    attempts: AtomicU64,
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
            attempts: AtomicU64::new(0),
        }
    }

    /// Opens a channel; makes the connection if there is none.
    pub(crate) async fn channel(&self) -> Result<Channel, Trouble> {
        let seen = self.attempts.load(Ordering::Acquire);
        let handle = Handle::try_current().map_err(|_| {
            Trouble::unusable(
                "it is used outside of a tokio runtime; call it in one, with its time and io enabled",
            )
        })?;
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
            let attempt = attempt(Arc::clone(&self.options), self.name.clone(), state);
            // In a task, so that a caller that gives up in the middle leaves nothing half made.
            state = handle.spawn(attempt).await.map_err(|error| {
                Trouble::unavailable("connect", format!("the attempt ended early: {error}"))
            })?;
            self.attempts.store(state.attempts, Ordering::Release);
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

    /// Whether the broker has stopped to take messages, because it runs out of memory or disk.
    pub(crate) async fn is_blocked(&self) -> bool {
        let state = self.state.lock().await;
        let connection = state.connection.as_ref();
        connection.is_some_and(|connection| connection.status().blocked())
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
) -> OwnedMutexGuard<State> {
    state.attempts += 1;
    state.connection = None;
    match connect(&options, name).await {
        Ok(connection) => {
            tracing::debug!(location = options.location(), "connected to RabbitMQ");
            state.connection = Some(connection);
            state.trouble = None;
        }
        Err(trouble) => {
            state.trouble = Some(trouble);
            state.failed();
        }
    }
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

/// How long to wait after this many failures: between half of a time that doubles, and all of it.
fn wait(failures: u32) -> Duration {
    let (first, longest) = WAITS;
    let most = first.saturating_mul(1 << failures.min(10)).min(longest);
    let random = RandomState::new().build_hasher().finish() % 1000;
    most / 2 + most.mul_f64(0.0005 * random as f64)
}
