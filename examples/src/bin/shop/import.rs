//! Places the purchases of a listing, and prints the five lines.

use crate::ImportOptions;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use midgard::Repository;
use midgard_examples::open::open;
use midgard_examples::shop::import::import;
use midgard_examples::shop::listing::Rows;
use midgard_examples::shop::report::Report;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) async fn run(options: &ImportOptions) -> Result<(), Box<dyn Error>> {
    let name = options.file.display().to_string();
    let file = File::open(&options.file)
        .map_err(|error| format!("{name} could not be opened: {error}"))?;
    let customers = Repository::new(open(options.store.as_deref(), &options.data).await?);

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
