//! Views in SQL: the shop's orders in tables of a SQLite database, kept by a projection.
//!
//! - [`SqliteViews`] is the [`ViewStore`](midgard::projection::ViewStore): handlers write through a `sqlx` transaction, and
//!   their rows and the checkpoint are committed in it together. It knows nothing of the shop.
//! - [`orders`] is the projection, with its tables.
//! - [`report`] reads them, in plain SQL.

mod error;
pub mod orders;
pub mod report;
mod store;

pub use error::SqlError;
pub use store::{SqliteViews, table};
