//! Looks after a store on disk, while it is in use or not: what is in it, whether it is whole, and backups of it.
#![allow(clippy::print_stderr)]

use clap::{Parser, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use midgard_store_lmdb::{LmdbStore, Progress, Statistics};
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Looks after a store on disk. Programs that use it need not be stopped.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Counts its contents: events by name, streams, bytes.
    Statistics {
        /// The directory of the store.
        directory: PathBuf,
    },
    /// Checks that everything is as it was written, and prints the problems. Exits with code 1 if there are any.
    Verify {
        /// The directory of the store.
        directory: PathBuf,
    },
    /// Copies it to an empty or new directory.
    Backup {
        /// The directory of the store.
        directory: PathBuf,
        /// The directory of the backup.
        target: PathBuf,
        /// Leaves out free pages.
        #[arg(long)]
        compacting: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match command {
        Command::Statistics { directory } => {
            let store = open(directory)?;
            let mut meter = Meter::new("counting");
            let statistics = store.statistics(|progress| meter.show(progress))?;
            drop(meter);
            print(&statistics, &mut out)?;
        }
        Command::Verify { directory } => {
            let store = open(directory)?;
            let mut meter = Meter::new("verifying");
            let verification = store.verify(|progress| meter.show(progress))?;
            drop(meter);
            for problem in &verification.problems {
                writeln!(out, "{problem}")?;
            }
            writeln!(out, "{verification}")?;
            if !verification.is_sound() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Command::Backup {
            directory,
            target,
            compacting,
        } => {
            let store = open(directory)?;
            let mut meter = Meter::new("copying");
            let backup = match compacting {
                true => store.backup().compacting(),
                false => store.backup(),
            };
            let made = backup.to(target, |progress| meter.show(progress))?;
            drop(meter);
            writeln!(
                out,
                "{} bytes in {}, with all events up to position {}",
                made.bytes,
                made.path.display(),
                made.position
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens an existing store.
fn open(directory: &Path) -> Result<LmdbStore, Box<dyn Error>> {
    if !directory.join("data.mdb").is_file() {
        return Err(format!("{} has no store; name its directory", directory.display()).into());
    }
    Ok(LmdbStore::open(directory)?)
}

fn print(statistics: &Statistics, out: &mut impl Write) -> io::Result<()> {
    let Statistics {
        index, file, times, ..
    } = statistics;
    let time = |time: Option<midgard::Timestamp>| time.map_or("-".to_owned(), |t| t.to_string());
    let mut totals = Table::new();
    totals.load_style(presets::NOTHING);
    totals.add_rows([
        ["events".to_owned(), statistics.events.to_string()],
        ["first".to_owned(), time(times.map(|(first, _)| first))],
        ["last".to_owned(), time(times.map(|(_, last)| last))],
        ["streams".to_owned(), statistics.streams.to_string()],
        ["tombstoned".to_owned(), statistics.tombstoned.to_string()],
        [
            "bytes of payloads".to_owned(),
            statistics.payload_bytes.to_string(),
        ],
        [
            "bytes of records".to_owned(),
            statistics.record_bytes.to_string(),
        ],
        ["bytes of the file".to_owned(), file.length.to_string()],
        ["up to its last page".to_owned(), file.used.to_string()],
        ["without free pages".to_owned(), file.live.to_string()],
        ["entries of the index".to_owned(), index.entries.to_string()],
        ["runs of the index".to_owned(), index.runs.to_string()],
        ["positions behind it".to_owned(), index.behind.to_string()],
        ["damaged records".to_owned(), statistics.damaged.to_string()],
    ]);
    let mut names = Table::new();
    names.load_style(presets::NOTHING);
    names.set_header(["event", "count", "bytes", "schema versions"]);
    for (name, of) in &statistics.names {
        let versions = of.schema_versions.iter();
        let versions: Vec<_> = versions
            .map(|(version, count)| format!("{version}: {count}"))
            .collect();
        names.add_row([
            name.clone(),
            of.events.to_string(),
            of.payload_bytes.to_string(),
            versions.join(", "),
        ]);
    }
    for (table, columns) in [(&mut totals, 1..2), (&mut names, 1..3)] {
        for column in columns {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    writeln!(out, "{}\n\n{}", totals.trim_fmt(), names.trim_fmt())
}

/// Shows the progress of an operation: a bar on a terminal, a line for each tenth elsewhere.
struct Meter {
    what: &'static str,
    bar: ProgressBar,
    tenths: u64,
}

impl Meter {
    fn new(what: &'static str) -> Self {
        let bar = if io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}%  {eta} left");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        bar.set_message(what);
        Meter {
            what,
            bar,
            tenths: 0,
        }
    }

    fn show(&mut self, progress: Progress) -> ControlFlow<()> {
        self.bar.set_length(progress.expected);
        self.bar.set_position(progress.done);
        let tenths = (progress.done * 10).checked_div(progress.expected);
        let tenths = tenths.unwrap_or_default();
        if self.bar.is_hidden() && tenths > self.tenths {
            eprintln!("{}: {}0%", self.what, tenths);
        }
        self.tenths = tenths;
        ControlFlow::Continue(())
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
