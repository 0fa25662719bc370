//! The shop in two services that share nothing but messages: one keeps the orders, the other the customers' credit, each
//! in a database of its own, and still no order passes its customer's limit.
//!
//! - [`messages`] are the messages between them.
//! - [`orders`] is the first service: an order is placed, and is pending until its credit is decided; [`placement`] is
//!   the process manager that sees to it.
//! - [`customers`] is the second: it reserves credit, or refuses, and releases the credit of cancelled orders.
//! - [`import`] places the purchases of a listing as orders.
//! - [`books`] sums up the events of the orders service.

pub mod books;
pub mod customers;
pub mod import;
pub mod messages;
pub mod orders;
pub mod placement;

/// How long a worker may be silent before another takes over: after a kill, the next one waits that long. Short, as
/// there is only one instance of each service here.
pub(crate) const LEASE: std::time::Duration = std::time::Duration::from_millis(500);
