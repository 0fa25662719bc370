//! The clock that stores and programs read, and one that tests set.

use crate::time::Timestamp;
pub use crate::time::TimestampError;
use event_listener::Event as Notify;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The current time for stores, programs and repositories: the times of events, deadlines, dead letters, and keys of
/// [`execute_once`](crate::Repository::execute_once) are read from it.
///
/// By default it is the system's clock. A [`ManualClock`] stands still until a test moves it. Give the same clock to
/// the store, to the program, and to the repositories whose keys you forget.
///
/// Leases, timeouts, and pauses between retries measure durations, and commands expire when their senders no longer
/// wait: those follow the system's clock, whatever this one shows.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<Hands>>);

impl Clock {
    /// Returns the clock of the system.
    #[must_use]
    pub const fn system() -> Self {
        Clock(None)
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0
            .as_ref()
            .map_or_else(Timestamp::now, |hands| hands.now())
    }

    /// Waits until the clock is moved; forever if it cannot be. Moves after this call are noticed, even before the
    /// first poll.
    pub(crate) fn moved(&self) -> impl Future<Output = ()> + Send + use<> {
        let moved = self.0.as_ref().map(|hands| hands.moved.listen());
        async {
            match moved {
                Some(moved) => moved.await,
                None => pending().await,
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(hands) => f.debug_tuple("Clock").field(&hands.now()).finish(),
            None => f.write_str("Clock(system)"),
        }
    }
}

struct Hands {
    micros: AtomicU64,
    moved: Notify,
}

impl Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::SeqCst))
    }
}

/// A clock for tests: it stands still until it is moved. Clones are the same clock.
///
/// ```
/// use midgard::clock::ManualClock;
/// use midgard::store::{Append, ExpectedVersion};
/// use midgard::{MemoryStore, Midgard, Store, StreamName, event::NewEvent};
/// use futures_util::StreamExt;
/// use std::time::Duration;
///
/// # midgard::block_on(async {
/// let clock = ManualClock::at("2026-11-25T18:30:00Z".parse()?);
/// let store = MemoryStore::with_clock(&clock);
/// clock.advance(Duration::from_secs(60));
///
/// let event = NewEvent::json("order.placed", 1, b"{}".to_vec());
/// let append = Append::to(StreamName::new("order-1")?, ExpectedVersion::NoStream, [event]);
/// store.append(append).await?;
/// let placed = store.events(midgard::store::ReadLog::forward()).next().await.unwrap()?;
/// assert_eq!(placed.time.to_string(), "2026-11-25T18:31:00.000000Z");
///
/// // The deadlines of the process managers of this program pass by the same clock.
/// let midgard = Midgard::with_clock(store, &clock);
/// # let _ = midgard;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct ManualClock(Arc<Hands>);

impl ManualClock {
    /// Returns a clock that shows this time.
    #[must_use]
    pub fn at(time: Timestamp) -> Self {
        ManualClock(Arc::new(Hands {
            micros: AtomicU64::new(time.as_micros()),
            moved: Notify::new(),
        }))
    }

    /// Returns the time that the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Moves the clock forward. A running program notices at once: deadlines that have passed fire.
    pub fn advance(&self, by: Duration) {
        let forward = |micros| Some((Timestamp::from_micros(micros) + by).as_micros());
        let _ = self
            .0
            .micros
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, forward);
        self.0.moved.notify(usize::MAX);
    }

    /// Sets the clock to a time, which may be earlier, as when an administrator corrects a clock. A running program
    /// notices at once.
    pub fn set(&self, time: Timestamp) {
        self.0.micros.store(time.as_micros(), Ordering::SeqCst);
        self.0.moved.notify(usize::MAX);
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.now()).finish()
    }
}

impl From<&ManualClock> for Clock {
    fn from(clock: &ManualClock) -> Self {
        Clock(Some(clock.0.clone()))
    }
}

impl From<ManualClock> for Clock {
    fn from(clock: ManualClock) -> Self {
        Clock(Some(clock.0))
    }
}
