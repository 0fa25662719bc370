//! Views in PostgreSQL.

mod contract;
mod kit;
mod projected;
mod same;
