//! Accounts over HTTP, with axum.
//!
//! - [`account`] has the events, the aggregate, its command and its view, and knows nothing of HTTP.
//! - [`routes`] turns requests into commands and reads, and errors into status codes.
//! - [`serve`] runs both, and ends both.

pub mod account;
pub mod routes;
pub mod serve;
