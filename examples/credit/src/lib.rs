//! The shop in two services that share nothing but messages: one keeps the orders, the other the customers' credit, each
//! in a database of its own, and still no order passes its customer's limit.
//!
//! - [`messages`] is what they tell each other.
//! - [`orders`] is the first service: an order is placed, and is pending until its credit is decided; [`placement`] is
//!   the process manager that sees to it.
//! - [`customers`] is the second: it reserves credit, or refuses, and gives back what a cancelled order had.
//! - [`import`] places the purchases of a listing as orders.
//! - [`books`] sums up what the orders service has recorded.

pub mod books;
pub mod customers;
pub mod import;
pub mod messages;
pub mod orders;
pub mod placement;

/// For how long who works on something may be silent before another takes it over: whoever comes after a kill waits as
/// long. Short, as there is only one of each service here.
pub(crate) const LEASE: std::time::Duration = std::time::Duration::from_millis(500);
