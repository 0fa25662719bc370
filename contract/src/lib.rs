//! The contracts of Midgard's [stores](midgard::Store), [stores for views](midgard::projection::ViewStore) and
//! [buses](midgard::bus), as suites of cases.
//!
//! Each contract is defined once, and every implementation runs all of it: pass a fixture that creates a separate
//! place for each case, and [`store_contract!`], [`view_store_contract!`] or [`bus_contract!`] generates one test for
//! each case.
//!
//! ```
//! use midgard::MemoryStore;
//! use midgard_contract::Fixture;
//!
//! #[derive(Default)]
//! struct Memory(MemoryStore);
//!
//! impl Fixture for Memory {
//!     type Store = MemoryStore;
//!
//!     fn new() -> Self {
//!         Memory::default()
//!     }
//!
//!     fn open(&self) -> MemoryStore {
//!         self.0.clone()
//!     }
//! }
//!
//! midgard_contract::store_contract!(Memory);
//! ```

mod bus;
mod random;
mod store;
mod views;

#[doc(hidden)]
pub use bus::run_bus_case;
pub use bus::{BusFixture, SetAside, Stranger, bus_cases};
#[doc(hidden)]
pub use store::run_case;
pub use store::{Case, Fixture, cases};
#[doc(hidden)]
pub use views::run_view_case;
pub use views::{ViewFixture, view_cases};
