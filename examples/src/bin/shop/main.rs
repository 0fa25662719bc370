//! Reads purchases, decides each against its customer's monthly credit limit, and reports.
#![allow(clippy::print_stderr)]

mod import;
mod report;

use clap::{Args, Parser, Subcommand};
use midgard_examples::shop::customer::CustomerId;
use midgard_examples::shop::import::ImportError;
use midgard_examples::shop::listing::ListingError;
use midgard_examples::shop::{Cents, SAMPLE, dollars};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

/// Places every purchase of a listing as an order on credit, and reports the approved orders.
///
/// It may be killed at any moment: run again on the same data, it continues where it was.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    import: ImportOptions,
}

#[derive(Subcommand)]
enum Command {
    /// Prints tables of the data that an earlier run has imported: orders by month, the best customers, or the orders
    /// of one customer.
    ///
    /// They are read from views, which are brought up to date first.
    Report(ReportOptions),
}

#[derive(Args)]
struct ImportOptions {
    /// The listing: customer, [number in the sample], date, CDs, dollars.
    #[arg(default_value = SAMPLE)]
    file: PathBuf,
    /// The customer's limit for the orders of one calendar month, in dollars. Orders that an
    /// earlier run decided stay as they were decided.
    #[arg(long, value_parser = dollars, default_value = "100.00")]
    credit_limit: Cents,
    /// The directory of the events, for a store on disk.
    #[arg(long, default_value = "shop-data")]
    data: PathBuf,
    /// The address of the store of events, such as memory:. Without it, they are kept on disk, in the directory.
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
}

#[derive(Args)]
struct ReportOptions {
    /// The directory of the events and of the views.
    #[arg(long, default_value = "shop-data")]
    data: PathBuf,
    /// The address of the store of events, if it is elsewhere. The views are kept in the directory all the same.
    #[arg(long, value_name = "ADDRESS")]
    store: Option<String>,
    /// How many of the best customers to list.
    #[arg(long, default_value_t = 10)]
    top: usize,
    /// Lists the customers after this place: what an earlier list ended with.
    #[arg(long, value_name = "PLACE")]
    after: Option<midgard::view::Cursor>,
    /// Prints the orders of this customer instead.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["top", "after"])]
    customer: Option<CustomerId>,
    /// Also draws the approved and rejected dollars of each month.
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Rebuilds the views from all events, and shows the progress.
    #[arg(long)]
    rebuild: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let ended = midgard::block_on(async {
        match &arguments.command {
            None => import::run(&arguments.import).await,
            Some(Command::Report(options)) => report::run(options).await,
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if is_malformed(&*error) { 2 } else { 1 })
        }
    }
}

fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ImportError::Row(ListingError::Malformed { .. }))
    )
}
