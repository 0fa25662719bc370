//! The rows: every store has its turn in each round, and is compared with Midgard in the same round.

use super::dataset::Dataset;
use super::turns::Contestant;
use super::{Name, Outcome, Refuses};
use crate::Bench;
use crate::contest::Samples;
use crate::table::{Asked, Line, print_header};
use clap::ValueEnum;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tempfile::TempDir;

/// What is measured, in this order: loads need the streams as they were filled.
const WORKS: [Work; 6] = [
    Work::Load,
    Work::Scan,
    Work::Append(1),
    Work::Append(64),
    Work::Append(256),
    Work::Batch,
];

#[derive(Debug, Clone, Copy)]
enum Work {
    Load,
    Scan,
    /// With this many producers.
    Append(usize),
    Batch,
}

/// Measures Midgard and these peers over each number of streams, and prints the tables.
pub(crate) fn measure(bench: &Bench, peers: &[Name], streams: &[usize]) -> crate::Outcome<()> {
    let peers = match peers {
        [] => Name::value_variants(),
        named => named,
    };
    let names = [&[Name::Midgard], peers].concat();
    print_facts(&names);
    for &streams in streams {
        over(bench, &names, streams).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A participant, or the reason why it has dropped out.
struct Place<'d> {
    name: Name,
    contestant: Outcome<Contestant<'d>>,
    _directory: TempDir,
}

fn over(bench: &Bench, names: &[Name], streams: usize) -> Outcome<()> {
    let dataset = Dataset::new(streams);
    let mut places = names
        .iter()
        .map(|&name| {
            let directory = bench.directory().map_err(|error| error.to_string())?;
            let contestant = Contestant::create(name, &dataset, directory.path());
            Ok(Place {
                name,
                contestant,
                _directory: directory,
            })
        })
        .collect::<Outcome<Vec<_>>>()?;
    fill(&mut places, |contestant| contestant.fill(dataset.first()));
    // A store may say something when it is opened, which is over now.
    let plural = if streams == 1 { "" } else { "s" };
    println!("\n### Over {} stream{plural}\n", thousands(streams));
    print_header("peer");
    for work in WORKS {
        if matches!(work, Work::Scan) {
            fill(&mut places, |contestant| contestant.fill(dataset.more()));
        }
        let samples = rounds(bench.rounds, &mut places, work, streams);
        for line in lines(&places, &samples, work, streams)? {
            println!("{line}");
        }
    }
    Ok(())
}

/// Fills all stores at once: this is not measured, and most of them wait for the disk.
fn fill(places: &mut [Place<'_>], work: impl Fn(&Contestant<'_>) -> Outcome<()> + Sync) {
    let work = &work;
    thread::scope(|scope| {
        for place in places {
            scope.spawn(move || place.take_turn(work));
        }
    });
}

/// Returns the samples of each participant, one for each round that it completed. A different one begins each round.
fn rounds(rounds: usize, places: &mut [Place<'_>], work: Work, streams: usize) -> Vec<Samples> {
    let mut samples = vec![Samples::new(); places.len()];
    for round in 0..rounds {
        for turn in 0..places.len() {
            let which = (round + turn) % places.len();
            let place = &mut places[which];
            if place.cannot(work, streams).is_none() {
                samples[which].extend(place.take_turn(|contestant| match work {
                    Work::Load => contestant.load(round),
                    Work::Scan => contestant.scan(),
                    Work::Append(producers) => contestant.appends(producers, round),
                    Work::Batch => contestant.batches(round),
                }));
            }
        }
    }
    samples
}

impl Place<'_> {
    /// Takes a turn, unless an earlier one has failed. A failed turn is the last, whatever the failure.
    fn take_turn<T>(&mut self, turn: impl FnOnce(&Contestant<'_>) -> Outcome<T>) -> Option<T> {
        let contestant = self.contestant.as_ref().ok()?;
        let turn = catch_unwind(AssertUnwindSafe(|| turn(contestant)));
        match turn.unwrap_or_else(|panic| Err(sentence(&*panic).into())) {
            Ok(taken) => Some(taken),
            Err(error) => {
                self.contestant = Err(error);
                None
            }
        }
    }

    /// Returns why this store has no figures in a row.
    fn cannot(&self, work: Work, streams: usize) -> Option<String> {
        if let Err(error) = &self.contestant {
            return Some(format!("failed: {error}"));
        }
        let several = self.name.facts().several_streams;
        (matches!(work, Work::Batch) && streams > 1 && !several)
            .then(|| "cannot: an append has events of one stream only".into())
    }
}

/// Returns a line for each peer.
fn lines(
    places: &[Place<'_>],
    samples: &[Samples],
    work: Work,
    streams: usize,
) -> Outcome<Vec<Line>> {
    if let Err(error) = &places[0].contestant {
        return Err(format!("Midgard failed: {error}").into());
    }
    let (what, unit, asked) = work.row();
    let lines = places.iter().zip(samples).skip(1).map(|(place, theirs)| {
        let row = format!("{what}, to {}", place.name.facts().title);
        match place.cannot(work, streams) {
            Some(why) => Line::one_sided(row, unit, &samples[0]).note(why),
            None => Line::new(row, unit, &samples[0], theirs, asked),
        }
    });
    Ok(lines.collect())
}

impl Work {
    /// Returns a row's name, its unit, and its goal: to be ahead on each read, and on appends from 8 producers up.
    fn row(self) -> (String, &'static str, Asked) {
        match self {
            Work::Load => ("load-100".into(), "loads/s", Asked::AtLeast(1.0)),
            Work::Scan => ("scan".into(), "events/s", Asked::AtLeast(1.0)),
            Work::Append(producers) => {
                let asked = match producers {
                    ..8 => Asked::Nothing,
                    _ => Asked::AtLeast(1.0),
                };
                (format!("append-{producers}"), "events/s", asked)
            }
            Work::Batch => ("batch-1000".into(), "events/s", Asked::Nothing),
        }
    }
}

fn print_facts(names: &[Name]) {
    println!("| store | made of | durable by | refuses by itself |");
    println!("|---|---|---|---|");
    for name in names {
        let facts = name.facts();
        let packages: Vec<_> = facts.packages.iter().map(|name| versioned(name)).collect();
        let refuses = match facts.refuses {
            Refuses::OtherVersions => "another version than the expected one",
            Refuses::TakenVersions => "a version that the stream has",
            Refuses::Nothing => "nothing",
        };
        let (title, packages) = (facts.title, packages.join(", "));
        println!(
            "| {title} | {packages} | {} | {refuses} |",
            facts.durability
        );
    }
    println!();
}

/// Returns a package with its locked version.
fn versioned(package: &str) -> String {
    let lock = include_str!("../../../Cargo.lock");
    let version = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next());
    format!("{package} {}", version.unwrap_or("of no known version"))
}

/// Returns a number as it is written in a sentence.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    groups.join(",")
}

/// Returns the message of a panic.
fn sentence(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", said.unwrap_or("nobody knows why"))
}
