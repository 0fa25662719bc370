//! Reads purchases, decides each against its customer's monthly credit limit, and reports.
#![allow(clippy::print_stderr)]

use clap::Parser;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use midgard::Repository;
use midgard_examples::open::{StoreKind, open};
use midgard_examples::shop::import::{ImportError, import};
use midgard_examples::shop::listing::{ListingError, Rows};
use midgard_examples::shop::report::Report;
use midgard_examples::shop::{Cents, Malformed};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Places every purchase of a listing as an order on credit, and reports what was approved.
///
/// It may be killed at any moment: run again on the same data, it goes on where it was.
#[derive(Parser)]
struct Options {
    /// The listing: customer, [number in the sample], date, CDs, dollars.
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/data/CDNOW_sample.txt"))]
    file: PathBuf,
    /// What a customer may owe for the orders of one calendar month, in dollars. Orders that an
    /// earlier run decided stay as they were decided.
    #[arg(long, value_parser = dollars, default_value = "100.00")]
    credit_limit: Cents,
    /// The directory of the events, for a store on disk.
    #[arg(long, default_value = "shop-data")]
    data: PathBuf,
    /// What keeps the events.
    #[arg(long, value_enum, default_value_t = StoreKind::Lmdb)]
    store: StoreKind,
}

/// On the command line `100` is as clear as `100.00`.
fn dollars(text: &str) -> Result<Cents, Malformed> {
    let exact = text.parse();
    exact.or_else(|error| format!("{text}.00").parse().map_err(|_| error))
}

fn main() -> ExitCode {
    match midgard::block_on(run(&Options::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(if is_malformed(&*error) { 2 } else { 1 })
        }
    }
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let name = options.file.display().to_string();
    let file = File::open(&options.file)
        .map_err(|error| format!("{name} could not be opened: {error}"))?;
    let customers = Repository::new(open(options.store, &options.data)?);

    let orders = Arc::new(AtomicU64::new(0));
    let bar = progress_bar(&options.file, &orders);
    let rows = Rows::new(BufReader::new(bar.wrap_read(file)), name);
    let imported = import(&customers, rows, options.credit_limit, || {
        orders.fetch_add(1, Ordering::Relaxed);
    });
    let imported = imported.await;
    bar.finish_and_clear();
    imported?;

    let report = Report::of(customers.store()).await?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

fn is_malformed(error: &(dyn Error + 'static)) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ImportError::Row(ListingError::Malformed { .. }))
    )
}

/// How much of the file is read, at how many orders a second, and how long it will take; hidden
/// unless someone can see it.
fn progress_bar(file: &Path, orders: &Arc<AtomicU64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bytes = file.metadata().map_or(0, |file| file.len());
    let orders = Arc::clone(orders);
    let rate = move |state: &ProgressState, line: &mut dyn std::fmt::Write| {
        let rate = orders.load(Ordering::Relaxed) as f64 / state.elapsed().as_secs_f64();
        // A line that cannot be drawn is no reason to stop.
        let _ = write!(line, "{rate:.0}");
    };
    let style = ProgressStyle::with_template("{wide_bar} {percent}%  {rate} orders/s  {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate);
    ProgressBar::new(bytes).with_style(style)
}
