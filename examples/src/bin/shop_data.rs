//! Writes a listing of purchases for the shop: `shop_data --customers 23570 > listing.txt`.
#![allow(clippy::print_stderr)]

use clap::Parser;
use midgard_examples::shop::generate;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// Writes a listing of purchases to standard output, always the same for one number of customers.
#[derive(Parser)]
struct Options {
    /// How many customers; each has three purchases on average.
    #[arg(long, default_value_t = 23_570)]
    customers: u32,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut out = BufWriter::new(io::stdout().lock());
    let written = generate::listing(options.customers, &mut out).and_then(|()| out.flush());
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the listing could not be written: {error}");
            ExitCode::FAILURE
        }
    }
}
