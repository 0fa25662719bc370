//! Running the shop, and what its report should say.
#![allow(dead_code, unreachable_pub, unused_imports)] // No test program uses all of it.

mod expected;
mod running;

pub use expected::expected_report;
pub use midgard_examples::shop::SAMPLE;
pub use running::run;

use std::path::Path;
use std::process::Command;

/// The sample's report at a limit of 100.00.
pub const SAMPLE_REPORT: &str = "customers 2357
orders 6919
approved 6296 182538.57
rejected 623 61553.37
cds 16479
";

/// The shop, to be run on a listing.
pub fn shop(listing: impl AsRef<Path>) -> Command {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
    shop.arg(listing.as_ref());
    shop
}
