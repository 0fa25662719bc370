//! Prints the views.

use crate::ReportOptions;
use futures_util::future::{Either, select};
use indicatif::{ProgressBar, ProgressStyle};
use midgard::consumer::{HandleError, Status};
use midgard::{Midgard, MidgardHandle, Place, Views};
use midgard_examples::open::open;
use midgard_examples::shop::plot;
use midgard_examples::shop::tables;
use midgard_examples::shop::views::ShopViews;
use midgard_store_lmdb::LmdbStore;
use std::error::Error;
use std::io::{self, IsTerminal, Write as _};
use std::pin::pin;
use std::time::Duration;

/// The name of the projection.
const SHOP: &str = "shop";

pub(crate) async fn run(options: &ReportOptions) -> Result<(), Box<dyn Error>> {
    let data = &options.data;
    if options.store.is_none() && !data.is_dir() {
        let data = data.display();
        return Err(format!(
            "{data} is no directory with orders; import some with `shop --data {data}`"
        )
        .into());
    }
    // The views are kept alongside the events, in the same directory, unless the events are elsewhere.
    let views = Views::new(LmdbStore::open(data)?);
    let events = open(options.store.as_deref(), data).await?;
    let midgard = Midgard::new(events).project(ShopViews, views.clone());
    let handle = midgard.handle();
    if options.rebuild {
        handle.rebuild(SHOP).await?;
    }
    let caught_up = pin!(midgard.catch_up());
    match select(caught_up, pin!(show_progress(&handle))).await {
        Either::Left((ended, _)) => ended?,
        Either::Right(_) => {}
    }

    let views = views.snapshot()?;
    let text = match options.customer {
        Some(customer) => tables::orders_of(&views, customer)?,
        None => {
            let months = tables::orders_by_month(&views)?;
            let best = tables::best_customers(&views, options.top, options.after.as_ref())?;
            format!("{months}\n\n{best}")
        }
    };
    writeln!(io::stdout(), "{text}")?;
    if let Some(file) = &options.plot {
        plot::dollars_by_month(&views, file)?;
    }
    Ok(())
}

/// Shows the progress of the views, until it is dropped: a bar on a terminal, lines elsewhere.
async fn show_progress(handle: &MidgardHandle) -> Result<(), HandleError> {
    let is_terminal = io::stderr().is_terminal();
    let bar = if is_terminal {
        let style =
            ProgressStyle::with_template("{msg} {wide_bar} {percent}%  {per_sec}  {eta} left");
        ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let mut shown = None;
    loop {
        let status = handle
            .wait_until(SHOP, Duration::MAX, |status| percent(status) != shown)
            .await?;
        let is_first = shown.is_none();
        shown = percent(&status);
        let (what, position, end) = progress(&status);
        bar.set_message(what);
        bar.set_length(end.position.get());
        bar.set_position(position.position.get());
        let was_there = is_first && position == end;
        if !is_terminal && !was_there {
            eprintln!("{what}: at position {position} of {end}");
        }
    }
}

/// Returns the current activity, its progress, and its total.
fn progress(status: &Status) -> (&'static str, Place, Place) {
    match &status.rebuild {
        Some(rebuild) => ("rebuilding the views", rebuild.place, rebuild.target),
        None => ("updating the views", status.place, status.end),
    }
}

/// `None` as long as nothing is known, or when it was never behind.
fn percent(status: &Status) -> Option<u64> {
    let (_, place, end) = progress(status);
    (place.position.get() * 100).checked_div(end.position.get())
}
