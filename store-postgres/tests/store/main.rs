//! The PostgreSQL store against real servers: the contract, opening, errors, crashes.
#![allow(clippy::unwrap_used)]

mod contract;
mod crash;
mod damage;
mod failures;
mod kit;
mod opening;
#[cfg(feature = "tls")]
mod tls;
