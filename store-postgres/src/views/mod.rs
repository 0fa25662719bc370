//! Views as tables of PostgreSQL.

mod columns;
mod database;
mod error;
mod form;
mod names;
mod notes;
mod postgres_views;
mod range;
mod reading;
mod rows;
mod snapshot;
mod tables;
mod value;

pub use postgres_views::PostgresViews;
pub use snapshot::PostgresViewSnapshot;
