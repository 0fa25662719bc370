//! Measures Midgard against what it is built on: each row is a ratio within one run, since disks and
//! neighbours drift more between two runs than any change is worth.
#![allow(clippy::print_stdout)]

mod contest;
#[cfg(feature = "peers")]
mod peers;
mod raw;
mod recorded;
mod rows;
mod table;
#[cfg(feature = "umadb")]
mod umadb;
mod workload;

use clap::Parser;
#[cfg(feature = "peers")]
use clap::Subcommand;
use rows::Row;
use std::error::Error;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// An error, for the user of the program.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures Midgard against raw LMDB, serde_json and serde, and prints a table of ratios.
#[derive(Parser)]
struct Options {
    /// The rows to measure; all by default.
    rows: Vec<Row>,
    /// Measures the peers instead.
    #[cfg(feature = "peers")]
    #[command(subcommand)]
    command: Option<Command>,
    /// How many rounds of each row; a row's ratio is the median of its rounds.
    #[arg(long, default_value_t = 7, global = true)]
    rounds: usize,
    /// The directory of temporary files. Must be on a disk: durable commits in memory prove nothing.
    #[arg(long, default_value = "target/bench-data", global = true)]
    dir: PathBuf,
    /// Appends the events of the row `live` to a store, as another process.
    #[arg(long, hide = true)]
    append_to: Option<PathBuf>,
}

#[cfg(feature = "peers")]
#[derive(Subcommand)]
enum Command {
    /// Measures Midgard against other embedded stores, durable as it is.
    Peers {
        /// The stores to measure; all by default.
        #[arg(long = "peer")]
        peers: Vec<peers::Name>,
        /// Over how many streams; each number is measured with stores of its own.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 1_000, 100_000])]
        streams: Vec<usize>,
    },
}

/// The input of every row.
#[derive(Debug)]
struct Bench {
    rounds: usize,
    data: TempDir,
}

impl Bench {
    /// A separate directory, removed when it is dropped.
    fn directory(&self) -> Outcome<TempDir> {
        Ok(tempfile::tempdir_in(self.data.path())?)
    }

    /// A directory that does not exist yet.
    fn path(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }
}

fn main() -> Outcome<()> {
    let options = Options::parse();
    if let Some(store) = &options.append_to {
        return rows::append_and_print(store);
    }
    let bench = Bench {
        rounds: options.rounds.max(1),
        data: on_disk(&options.dir)?,
    };
    #[cfg(feature = "peers")]
    if let Some(Command::Peers { peers, streams }) = &options.command {
        return peers::measure(&bench, peers, streams);
    }
    table::print_header("raw");
    for row in Row::all() {
        if options.rows.is_empty() || options.rows.contains(row) {
            row.measure(&bench)?
                .iter()
                .for_each(|line| println!("{line}"));
        }
    }
    Ok(())
}

fn on_disk(path: &Path) -> Outcome<TempDir> {
    std::fs::create_dir_all(path)?;
    Ok(tempfile::tempdir_in(path.canonicalize()?)?)
}
