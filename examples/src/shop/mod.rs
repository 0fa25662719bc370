//! A shop that sells on credit: purchases are read from a listing, and every customer's orders are
//! approved or rejected against a monthly limit.
//!
//! - [`listing`] reads rows, and reports where one is malformed.
//! - [`customer`] is the aggregate, which decides orders.
//! - [`import`] drives many customers at once, each in the order of its rows.
//! - [`report`] sums up the recorded events.
//! - [`views`] can be looked up: kept by a projection, printed by [`tables`], drawn by [`plot`].

pub mod customer;
mod date;
pub mod generate;
pub mod import;
pub mod listing;
mod money;
pub mod plot;
pub mod report;
pub mod tables;
pub mod views;

pub use date::{Date, Month};
pub use money::{Cents, dollars};

/// The listing that the programs read if they are given no other: 6,919 purchases of 2,357 customers.
pub const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/CDNOW_sample.txt");

/// A malformed value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct Malformed {
    /// The expected form.
    pub expected: &'static str,
    /// The value.
    pub found: String,
}

impl Malformed {
    /// Reports the expected form and the value.
    pub fn new(expected: &'static str, found: impl Into<String>) -> Self {
        Malformed {
            expected,
            found: found.into(),
        }
    }
}

/// Reads a number that is written in ASCII digits alone: the standard library's parsers also take a sign.
pub fn digits(text: &str) -> Option<u64> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}
