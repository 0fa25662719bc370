//! Other embedded stores, measured in the same run, with the same bytes, durable when an append returns.

mod cqrs_es;
mod dataset;
mod fjall;
mod key_value;
mod leveldb;
mod measure;
mod midgard;
mod redb;
mod sierradb;
mod sqlite;
#[cfg(test)]
mod tests;
mod turns;
mod umadb;
mod varvedb;

pub(crate) use measure::measure;

use clap::ValueEnum;
use std::error::Error;
use std::path::Path;
use std::pin::Pin;

/// An error in a peer, which may be on another thread.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// An append on its way.
type Appending<'a> = Pin<Box<dyn Future<Output = Outcome<()>> + Send + 'a>>;

/// The function that a read calls with each payload.
type Visit<'a> = dyn FnMut(&[u8]) + Send + 'a;

/// A store to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    #[value(skip)]
    Midgard,
    Sqlite,
    Redb,
    Fjall,
    Leveldb,
    Umadb,
    CqrsEs,
    Sierradb,
    Varvedb,
}

impl Name {
    /// Returns the facts about this store.
    fn facts(self) -> &'static Facts {
        match self {
            Name::Midgard => &midgard::FACTS,
            Name::Sqlite => &sqlite::FACTS,
            Name::Redb => &redb::FACTS,
            Name::Fjall => &fjall::FACTS,
            Name::Leveldb => &leveldb::FACTS,
            Name::Umadb => &umadb::FACTS,
            Name::CqrsEs => &cqrs_es::FACTS,
            Name::Sierradb => &sierradb::FACTS,
            Name::Varvedb => &varvedb::FACTS,
        }
    }

    /// Creates a store in an empty directory.
    fn create(self, directory: &Path) -> Outcome<Box<dyn Peer>> {
        Ok(match self {
            Name::Midgard => Box::new(midgard::Midgard::create(directory)?),
            Name::Sqlite => Box::new(sqlite::Sqlite::create(directory)?),
            Name::Redb => Box::new(redb::Redb::create(directory)?),
            Name::Fjall => Box::new(fjall::Fjall::create(directory)?),
            Name::Leveldb => Box::new(leveldb::LevelDb::create(directory)?),
            Name::Umadb => Box::new(umadb::UmaDb::create(directory)?),
            Name::CqrsEs => Box::new(cqrs_es::CqrsEs::create(directory)?),
            Name::Sierradb => Box::new(sierradb::SierraDb::create(directory)?),
            Name::Varvedb => Box::new(varvedb::VarveDb::create(directory)?),
        })
    }
}

/// The facts to know about a store before reading its figures.
#[derive(Debug)]
struct Facts {
    title: &'static str,
    /// The packages it is built from, whose versions the table shows.
    packages: &'static [&'static str],
    durability: &'static str,
    refuses: Refuses,
    /// Whether an append may have events of several streams.
    several_streams: bool,
    /// How it is filled before the measurements.
    filling: Filling,
}

/// The appends that a store refuses on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refuses {
    /// Those to a stream that is not at exactly the expected version.
    OtherVersions,
    /// Those of a version that its stream already has. An append that would leave a gap succeeds.
    TakenVersions,
    /// None: the producer has to know the version, or to look it up.
    Nothing,
}

/// How a store is given many events.
#[derive(Debug, Clone, Copy)]
enum Filling {
    /// By appends of 1,000 events.
    Batches,
    /// By appends of one event, 256 at once.
    Singles,
    /// By appends of neighbours that belong to one stream.
    Streams,
}

/// A store with events.
trait Peer: Send + Sync {
    /// Appends the events, all or none; when the future is done, they survive a power cut.
    fn append(&self, events: Vec<Event>, expected: Expected) -> Appending<'_>;

    /// Returns whether `append` does its work before it returns the future, so that each producer needs a thread.
    fn blocks(&self) -> bool;

    /// Visits the payload of every event, in the order of the appends.
    fn scan(&self, visit: &mut Visit<'_>) -> Outcome<()>;

    /// Visits the payload of every event of a stream, in the order of their versions.
    fn load(&self, stream: &Stream<'_>, visit: &mut Visit<'_>) -> Outcome<()>;
}

/// An event to append.
#[derive(Debug, Clone)]
struct Event {
    stream: String,
    /// The number of the stream, for stores that identify streams by numbers.
    number: usize,
    /// Its version in its stream: 1 for the first.
    version: u64,
    /// JSON: an object with one string in it, `note`.
    payload: Vec<u8>,
}

/// A stream to load.
#[derive(Debug, Clone, Copy)]
struct Stream<'a> {
    name: &'a str,
    number: usize,
}

/// The expectation of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Each stream is at the version before that of its first event.
    Exact,
    /// None: several producers append to one stream.
    Any,
}

/// The name of every event.
const EVENT_NAME: &str = "order.approved";

/// Returns the runs of events that belong to one stream.
fn by_stream(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    events.chunk_by(|one, next| one.number == next.number)
}
