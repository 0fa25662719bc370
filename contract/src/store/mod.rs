//! The contract of a store as a suite of cases: every store runs all of them.
//!
//! Cases are generic over a [`Fixture`] and know nothing of the store behind it. Many test behaviour that the suites
//! of Commanded, KurrentDB, JasperFx, dcb-eventstore, UmaDB, Emmett and Marten name; where one of theirs has no
//! counterpart here, the module it would belong to gives the reason. `boundaries.rs` lists those of dcb-eventstore and
//! UmaDB one by one.

// A test fails by panicking, and these modules are tests that happen to live in a library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod appending;
#[cfg(test)]
mod boundaries;
mod concurrency;
mod concurrent_reads;
mod conditions;
mod conditions_at_once;
mod endings;
mod entries;
mod following;
mod handles;
mod histories;
mod idempotence;
mod kit;
mod limits;
mod list;
mod metadata;
mod no_gaps;
mod payloads;
mod queries;
mod reading_logs;
mod reading_streams;
mod reads;
mod several_streams;
mod texts;
mod threads;
mod tombstones;
mod truncation;

use midgard::Store;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The place of one case's stores. Each case creates its own.
///
/// ```
/// use midgard::MemoryStore;
/// use midgard_contract::{Fixture, cases};
///
/// #[derive(Default)]
/// struct Memory(MemoryStore);
///
/// impl Fixture for Memory {
///     type Store = MemoryStore;
///
///     fn new() -> Self {
///         Memory::default()
///     }
///
///     fn open(&self) -> MemoryStore {
///         self.0.clone()
///     }
/// }
///
/// assert!(cases::<Memory>().len() > 120);
/// ```
pub trait Fixture: Send + Sync + 'static {
    /// The store.
    type Store: Store;

    /// Returns whether the case of this name can run; where it cannot, reports why. For a store that needs a server,
    /// which may not be installed.
    #[must_use]
    fn can_run(case: &str) -> bool {
        let _ = case;
        true
    }

    /// Creates a new, empty place, such as a temporary directory.
    fn new() -> Self;

    /// Opens the existing store, in the same state as before: while other handles are open, and again after all of
    /// them were dropped. For a store that keeps nothing beyond its last handle, the fixture keeps one.
    fn open(&self) -> Self::Store;

    /// Runs a future, from any thread. A store that needs a runtime enters the runtime here.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        midgard::block_on(future)
    }
}

/// One case of a contract, for one kind of store, store for views or bus.
#[derive(Clone, Copy)]
pub struct Case {
    subject: &'static str,
    name: &'static str,
    run: fn(),
}

impl Case {
    pub(crate) const fn new(subject: &'static str, name: &'static str, run: fn()) -> Self {
        Case { subject, name, run }
    }

    /// How long [`Case::run`] lets a case continue. A lost wake-up would hang otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(300);

    /// Returns the subject of the case: the name of its module.
    #[must_use]
    pub const fn subject(&self) -> &'static str {
        self.subject
    }

    /// Returns the name of the case, unique over all subjects.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case.
    ///
    /// # Panics
    /// When a promise is broken, or the case does not finish within [`Case::PATIENCE`].
    pub fn run(&self) {
        self.run_within(Case::PATIENCE);
    }

    /// Runs the case on a thread of its own (named `contract case`), and gives up on it after a while.
    ///
    /// # Panics
    /// When a promise is broken, or the case does not finish in time.
    pub fn run_within(&self, patience: Duration) {
        let (done, outcome) = mpsc::channel::<Result<(), Box<dyn Any + Send>>>();
        let run = self.run;
        thread::Builder::new()
            .name("contract case".into())
            .spawn(move || {
                // If the case was given up, nobody receives its result.
                let _ = done.send(catch_unwind(AssertUnwindSafe(run)));
            })
            .expect("the system gives a thread");
        match outcome.recv_timeout(patience) {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => resume_unwind(failure),
            Err(RecvTimeoutError::Timeout) => panic!(
                "{} did not end within {patience:?}: it hangs, or a wake-up was lost",
                self.name
            ),
            Err(RecvTimeoutError::Disconnected) => panic!("{} ended without an outcome", self.name),
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.subject, self.name)
    }
}

macro_rules! collect_cases {
    (($fixture:ident) $($subject:ident { $($case:ident,)* })*) => {
        vec![$($(Case {
            subject: stringify!($subject),
            name: stringify!($case),
            run: || {
                if $fixture::can_run(stringify!($case)) {
                    let fixture = $fixture::new();
                    fixture.block_on($subject::$case(&fixture));
                }
            },
        },)*)*]
    };
}

/// Returns all cases of the contract, to be run one by one. [`store_contract!`](crate::store_contract) turns them
/// into tests.
#[must_use]
pub fn cases<F: Fixture>() -> Vec<Case> {
    crate::__store_contract_cases! { [collect_cases] (F) }
}

/// Runs the case of this name; called by the tests of `store_contract!`.
#[doc(hidden)]
pub fn run_case<F: Fixture>(name: &str) {
    cases::<F>()
        .into_iter()
        .find(|case| case.name == name)
        .expect("the test is made from the same list")
        .run();
}
