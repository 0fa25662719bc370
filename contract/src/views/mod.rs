//! The contract of a [`ViewStore`] as a suite of cases.

// A test fails by panicking, and these modules are tests that happen to live in a library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod generations;
mod kit;
mod list;
mod notes;
mod transactions;

use super::store::Case;
use midgard::notes::NoteStore;
use midgard::projection::ViewDefinition;
use midgard::projection::{Generation, ViewStore};

/// The place of one case's views. Each case creates its own.
///
/// The cases have two views, [`NUMBERS`](Self::NUMBERS) and [`OTHERS`](Self::OTHERS), whose rows are numbers by
/// texts. The fixture defines how they are written and read, as the trait does not.
pub trait ViewFixture: Send + Sync + 'static {
    /// The views.
    type Views: ViewStore;

    /// The name of the first view.
    const NUMBERS: &'static str = "contract_numbers";
    /// The name of the second view.
    const OTHERS: &'static str = "contract_others";

    /// Creates a new, empty place, such as a temporary directory.
    fn new() -> Self;

    /// Opens the existing views: while other handles are open, and again after all of them were dropped. For a store
    /// that keeps nothing beyond its last handle, the fixture keeps one.
    fn open(&self) -> impl Future<Output = Self::Views> + Send;

    /// Returns the definition of the view of this name: its rows have a text, which is the key, and a number.
    fn view(name: &'static str) -> ViewDefinition;

    /// Sets a row in a generation of a view, whether or not its key already has one.
    fn put_row(
        transaction: &mut <Self::Views as NoteStore>::Transaction,
        generation: &Generation,
        view: &'static str,
        key: &str,
        number: u32,
    ) -> impl Future<Output = ()> + Send;

    /// Returns the rows that readers see of a view, in the order of their keys; `None` when they see no such view.
    fn rows(
        views: &Self::Views,
        view: &'static str,
    ) -> impl Future<Output = Option<Vec<(String, u32)>>> + Send;

    /// Runs a future, from any thread. A store that needs a runtime enters the runtime here.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        midgard::block_on(future)
    }
}

macro_rules! collect_cases {
    (($fixture:ident) $($subject:ident { $($case:ident,)* })*) => {
        vec![$($(Case::new(stringify!($subject), stringify!($case), || {
            let fixture = $fixture::new();
            fixture.block_on($subject::$case(&fixture));
        }),)*)*]
    };
}

/// Returns all cases of the contract, to be run one by one. [`view_store_contract!`](crate::view_store_contract)
/// turns them into tests.
#[must_use]
pub fn view_cases<F: ViewFixture>() -> Vec<Case> {
    crate::__view_store_contract_cases! { [collect_cases] (F) }
}

/// Runs the case of this name; called by the tests of `view_store_contract!`.
#[doc(hidden)]
pub fn run_view_case<F: ViewFixture>(name: &str) {
    view_cases::<F>()
        .into_iter()
        .find(|case| case.name() == name)
        .expect("the test is made from the same list")
        .run();
}
