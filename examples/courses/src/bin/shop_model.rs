//! The shop, decided on models instead of an aggregate: the same five lines.
#![allow(clippy::print_stderr, clippy::print_stdout)]

use clap::Parser;
use midgard::repository::Repositories;
use midgard_example_courses::shop::{import, report};
use midgard_examples::open::open;
use midgard_examples::shop::listing::Rows;
use midgard_examples::shop::report::Report;
use midgard_examples::shop::{Cents, SAMPLE, dollars};
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

/// Places every purchase of a listing as an order on credit, those of many customers at once, and reports the approved orders.
#[derive(Parser)]
struct Arguments {
    /// The listing: customer, [number in the sample], date, CDs, dollars.
    #[arg(default_value = SAMPLE)]
    file: PathBuf,
    /// The customer's limit for the orders of one calendar month, in dollars.
    #[arg(long, value_parser = dollars, default_value = "100.00")]
    credit_limit: Cents,
    /// The directory of the events, for a store on disk.
    #[arg(long, default_value = "shop-model-data")]
    data: PathBuf,
    /// The address of the store of events, such as memory:. Without it, they are kept on disk, in the directory.
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
}

fn main() -> ExitCode {
    match midgard::block_on(run(&Arguments::parse())) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report, Box<dyn Error>> {
    let name = arguments.file.display().to_string();
    let file = File::open(&arguments.file)
        .map_err(|error| format!("{name} could not be opened: {error}"))?;
    let store = open(arguments.store.as_deref(), &arguments.data).await?;
    let rows = Rows::new(BufReader::new(file), name);
    let repositories = Repositories::new(store.clone());
    import(&repositories, rows, arguments.credit_limit).await?;
    Ok(report(&store).await?)
}
