//! The shop's orders in SQLite: events are imported, a projection fills tables, and plain SQL reads them.
#![allow(clippy::print_stderr)]

use clap::Parser;
use midgard::{Midgard, Repository};
use midgard_example_sql_views::SqliteViews;
use midgard_example_sql_views::orders::Orders;
use midgard_example_sql_views::report::SqlReport;
use midgard_examples::open::open;
use midgard_examples::shop::import::import;
use midgard_examples::shop::listing::Rows;
use midgard_examples::shop::{Cents, SAMPLE};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Places every purchase of a listing as an order on credit, brings tables in SQLite up to date with the
/// events, and prints what SQL says about them.
///
/// It may be killed at any moment: run again on the same data, it continues where it was.
#[derive(Parser)]
struct Options {
    /// The listing: customer, [number in the sample], date, CDs, dollars.
    #[arg(default_value = SAMPLE)]
    file: PathBuf,
    /// The customer's limit for the orders of one calendar month, in dollars.
    #[arg(long, default_value = "100.00")]
    credit_limit: Cents,
    /// The directory of the events.
    #[arg(long, default_value = "shop-data")]
    data: PathBuf,
    /// The SQLite database of the tables.
    #[arg(long, default_value = "shop-views.db")]
    views: PathBuf,
    /// How many seconds to wait for other programs that write to that database.
    #[arg(long, default_value_t = 5)]
    patience: u32,
}

fn main() -> ExitCode {
    let ran = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(run(&Options::parse())));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let name = options.file.display().to_string();
    let file = File::open(&options.file)
        .map_err(|error| format!("{name} could not be opened: {error}"))?;
    let store = open(None, &options.data).await?;
    let customers = Repository::new(store.clone());
    let rows = Rows::new(BufReader::new(file), name);
    import(&customers, rows, options.credit_limit, || {}).await?;

    let patience = Duration::from_secs(options.patience.into());
    let views = SqliteViews::open(&options.views, patience).await?;
    let midgard = Midgard::new(store).project(Orders, views.clone());
    let handle = midgard.handle();
    midgard.catch_up().await?;

    let handled = handle.status_of("orders")?.handled;
    writeln!(io::stdout(), "{handled} events are new to the tables\n")?;
    writeln!(io::stdout(), "{}", SqlReport::of(&views).await?)?;
    Ok(())
}
