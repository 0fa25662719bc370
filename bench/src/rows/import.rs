//! The shop's import, against the same bytes written raw in commits of the same size.

use crate::contest::{Samples, per_second, rounds};
use crate::raw::Raw;
use crate::recorded::Recorded;
use crate::table::{Asked, Line, Short};
use crate::{Bench, Outcome};
use midgard::{Repository, block_on};
use midgard_examples::shop::Cents;
use midgard_examples::shop::customer::Customer;
use midgard_examples::shop::generate::listing;
use midgard_examples::shop::import::import;
use midgard_examples::shop::listing::Rows;
use midgard_store_lmdb::LmdbStore;
use std::path::Path;
use std::time::Instant;

/// As many as in the shop's listing.
const CUSTOMERS: u32 = 23_570;
const CREDIT_LIMIT: Cents = Cents(10_000);

pub(crate) fn measure(bench: &Bench) -> Outcome<Vec<Line>> {
    let mut text = Vec::new();
    listing(CUSTOMERS, &mut text)?;

    // Once before the rounds: how the store grouped the commands, and what it wrote.
    let first = bench.directory()?;
    let events_per_commit = imported(&text, first.path())?.events_per_commit;
    let recorded = Recorded::by(first.path())?;
    let each = events_per_commit.round() as usize;

    let mut grouped = Samples::new();
    let mut ours = || {
        let imported = imported(&text, bench.directory()?.path())?;
        grouped.push(imported.events_per_commit);
        Ok(imported.events_per_second)
    };
    let mut raw = || written(&recorded, each, bench.directory()?.path(), true);
    let mut log_only = || written(&recorded, each, bench.directory()?.path(), false);
    let [ours, raw, log_only] = rounds(bench.rounds, [&mut ours, &mut raw, &mut log_only])?;
    let note = format!(
        "{} events; {} a commit",
        recorded.len(),
        Short(crate::contest::median(&grouped))
    );
    Ok(vec![
        Line::new("import", "events/s", &ours, &raw, Asked::AtLeast(0.5)).note(note),
        Line::new(
            "import, to log only",
            "events/s",
            &ours,
            &log_only,
            Asked::Nothing,
        ),
    ])
}

struct Imported {
    events_per_second: f64,
    events_per_commit: f64,
}

fn imported(text: &[u8], directory: &Path) -> Outcome<Imported> {
    drop(LmdbStore::open(directory)?);
    let commits = Raw::commits_of(directory)?;

    let customers = Repository::<Customer, _>::new(LmdbStore::open(directory)?);
    let mut events = 0;
    let began = Instant::now();
    let rows = Rows::new(text, "generated");
    block_on(import(&customers, rows, CREDIT_LIMIT, || events += 1))?;
    let took = began.elapsed();
    drop(customers);

    let commits = Raw::commits_of(directory)? - commits;
    Ok(Imported {
        events_per_second: per_second(events, took),
        events_per_commit: events as f64 / commits as f64,
    })
}

fn written(recorded: &Recorded, each: usize, directory: &Path, indexed: bool) -> Outcome<f64> {
    let mut raw = Raw::open(directory)?;
    let began = Instant::now();
    for entries in recorded.in_commits(each) {
        if indexed {
            raw.commit_all(entries)?;
        } else {
            raw.commit_log(entries)?;
        }
    }
    let took = began.elapsed();
    raw.close();
    Ok(per_second(recorded.len(), took))
}
