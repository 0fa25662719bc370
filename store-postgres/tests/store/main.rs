//! The PostgreSQL store against real servers: the contract, opening, errors, crashes.
#![allow(clippy::unwrap_used)]

mod contract;
mod crash;
mod damage;
mod failures;
mod kit;
mod opening;
mod several_programs;
#[cfg(feature = "tls")]
mod tls;
