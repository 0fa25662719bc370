//! Events that are appended at a modest rate, and when each was committed.

use crate::Outcome;
use crate::workload::Random;
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{Event, Position, Store, StreamName, block_on};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How many events are appended in a round.
pub(super) const EVENTS: u64 = 300;
/// The shortest time between two appends, and the most that is added to it at random: about 200 appends a second,
/// without a fixed rhythm.
const PAUSE: (Duration, Duration) = (Duration::from_micros(2500), Duration::from_micros(5000));

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "pinged")]
#[publish]
pub(in crate::rows) struct Pinged {
    pub(in crate::rows) number: u64,
}

/// Appends this many events; returns the results of `committed`, called for each as soon as its append has returned.
pub(in crate::rows) fn append_all<T>(
    store: &LmdbStore,
    count: u64,
    mut committed: impl FnMut(u64, Position) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let mut random = Random(1);
    let mut due = Instant::now();
    (0..count)
        .map(|number| {
            due +=
                PAUSE.0 + Duration::from_micros(random.below(PAUSE.1.as_micros() as usize) as u64);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let stream = StreamName::new(format!("ping-{}", number % 10))?;
            let event = NewEvent::encode(&Pinged { number })?;
            let append = Append::to(stream, ExpectedVersion::Any, [event]);
            let appended = block_on(store.append(append))?;
            committed(number, appended.position.ok_or("nothing was appended")?)
        })
        .collect()
}

/// The work of the process that [`append_elsewhere`] starts: prints when each append had returned, in microseconds
/// since 1970.
pub(crate) fn append_and_print(directory: &Path) -> Outcome<()> {
    let store = LmdbStore::open(directory)?;
    let times = append_all(&store, EVENTS, |_, _| now())?;
    times.iter().for_each(|time| println!("{time}"));
    Ok(())
}

/// Lets another process append the events; returns when each append had returned.
pub(super) fn append_elsewhere(directory: &Path) -> Outcome<Vec<u64>> {
    let output = Command::new(std::env::current_exe()?)
        .arg("--append-to")
        .arg(directory)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the other process ended with {}", output.status).into());
    }
    let lines = str::from_utf8(&output.stdout)?.lines();
    lines.map(|line| Ok(line.parse()?)).collect()
}

/// Returns the microseconds since 1970: a clock that processes share.
pub(super) fn now() -> Outcome<u64> {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(u64::try_from(time.as_micros())?)
}
