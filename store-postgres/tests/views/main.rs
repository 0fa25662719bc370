//! Views in PostgreSQL.
#![allow(clippy::unwrap_used)]

mod contract;
mod crash;
mod handlers;
mod kit;
mod projected;
mod rebuilds;
mod refused;
mod rights;
mod same;
