//! The contract of a bus, a [`Publisher`] and [`Subscriber`], as a suite of cases.

// A test fails by panicking, and these modules are tests that happen to live in a library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod confirmations;
mod contents;
mod dead_letters;
mod delivery;
mod in_flight;
mod kit;
mod list;
mod order;
mod queues;
mod redelivery;
mod restarts;
mod strangers;
mod takeover;
mod witness;

use super::store::Case;
use midgard::bus::{Publisher, Subscriber, Topic};
use std::time::Duration;

/// Access to a bus for the cases.
///
/// A case uses its own names for queues and topics, so that one broker can serve all cases at the same time.
pub trait BusFixture: Send + Sync + 'static {
    /// The bus.
    type Bus: Publisher + Subscriber + Clone;

    /// Whether messages are confirmed only once they are handled: by a bus that keeps nothing beyond its process.
    /// Such a bus puts messages into their queues when the future of [`publish`](Publisher::publish) is first polled,
    /// and leaves them there when it is dropped.
    const CONFIRMS_WHEN_HANDLED: bool = false;

    /// Whether a message does not come again after its verdict, even when the broker is killed at once: where the
    /// broker confirms verdicts, too.
    const CONFIRMS_VERDICTS: bool = true;

    /// The size of a payload that is refused; `None` when the bus accepts any.
    const TOO_LARGE: Option<usize>;

    /// The largest payload that a [stranger](Stranger) can send, in bytes, where there is a limit.
    const LARGEST_STRANGER: usize = 1 << 20;

    /// How long a case listens when no message may come.
    const QUIET: Duration = Duration::from_millis(300);

    /// Connects to the bus; where that is not possible, reports why, and skips the case of this name.
    fn new(case: &str) -> Option<Self>
    where
        Self: Sized;

    /// As [`new`](Self::new), with a broker of its own that can be [killed](Self::kill). Returns `None` for a bus
    /// without a broker: the cases that need one are skipped, and report that.
    fn alone(case: &str) -> Option<Self>
    where
        Self: Sized;

    /// Opens another connection, as another process would.
    fn open(&self) -> impl Future<Output = Self::Bus>;

    /// Sends a stranger's message: with a client of the broker, bypassing the code of the bus.
    fn send(&self, topic: &Topic, stranger: Stranger) -> impl Future<Output = ()>;

    /// Returns the messages that were set aside from the queue of this name, the oldest first; they stay there. A
    /// message that is kept in parts counts as one.
    fn set_aside(&self, queue: &str) -> impl Future<Output = Vec<SetAside>>;

    /// Kills the broker: `kill -9`.
    fn kill(&self) -> impl Future<Output = ()> {
        async {}
    }

    /// Restarts the killed broker, at the same address and with its data on disk. It may return before the broker
    /// accepts connections.
    fn start_again(&self) -> impl Future<Output = ()> {
        async {}
    }

    /// Runs a future, from any thread. A bus that needs a runtime enters the runtime here.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        midgard::block_on(future)
    }
}

/// The message of a sender that knows nothing of Midgard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Stranger {
    /// The content type in the transport, such as `application/cloudevents+json`.
    pub content_type: Option<String>,
    /// Attributes of CloudEvents, by their own names: the fixture writes them as the binding of the bus does.
    pub attributes: Vec<(String, String)>,
    /// Other headers, sent as they are.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub body: Vec<u8>,
}

/// A message that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct SetAside {
    /// The reason.
    pub reason: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

macro_rules! collect_cases {
    (($fixture:ident) $($subject:ident { $($case:ident,)* })*) => {
        vec![$($(Case::new(stringify!($subject), stringify!($case), || {
            if let Some(fixture) = $subject::fixture::<$fixture>(stringify!($case)) {
                fixture.block_on($subject::$case(&fixture));
            }
        }),)*)*]
    };
}

/// Returns all cases of the contract, to be run one by one.
/// [`bus_contract!`](macro@crate::bus_contract) turns them into tests.
#[must_use]
pub fn bus_cases<F: BusFixture>() -> Vec<Case> {
    crate::__bus_contract_cases! { [collect_cases] (F) }
}

/// Runs the case of this name; called by the tests of `bus_contract!`.
#[doc(hidden)]
pub fn run_bus_case<F: BusFixture>(name: &str) {
    bus_cases::<F>()
        .into_iter()
        .find(|case| case.name() == name)
        .expect("the test is made from the same list")
        .run();
}
