//! Kill -9 in the middle of 64 producers, of events, of entries or of both: what was acknowledged is there,
//! and nothing is torn.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::{child_directory, event, read_entries, read_stream, start_child, stream};
use midgard::store::{Append, AppendError, ExpectedVersion};
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{Store, block_on};
use midgard_store_lmdb::LmdbStore;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const PRODUCERS: usize = 64;
const KILLS: u64 = 100;
const KILLS_OF_ENTRIES: u64 = 20;
const KILLS_OF_BOTH: u64 = 30;
/// So many counters all producers of both share: they come too late for each other.
const COUNTERS: usize = 16;
/// So many kills meet the same store, so that each also continues what the one before left.
const KILLS_PER_STORE: u64 = 10;

/// Not a test of its own: what the killed process does. Each append of a producer puts two events in
/// one stream and one in another, and is acknowledged on standard output when it has returned.
#[test]
fn child_appends_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let store = &store;
            scope.spawn(move || {
                let (double, single) = (format!("double-{producer}"), format!("single-{producer}"));
                let mut number = block_on(store.stream_state(&stream(&single)))
                    .unwrap()
                    .last
                    .get();
                loop {
                    number += 1;
                    let payload = number.to_string();
                    let append = Append::to(
                        stream(&double),
                        ExpectedVersion::Any,
                        [event(&payload), event(&payload)],
                    )
                    .and(
                        stream(&single),
                        ExpectedVersion::Any,
                        [event(&payload)],
                    );
                    block_on(store.append(append)).unwrap();
                    println!("acknowledged {producer} {number}");
                }
            });
        }
    });
}

#[test]
fn a_kill_in_the_middle_of_64_producers_loses_nothing_and_tears_nothing() {
    if child_directory().is_some() {
        return;
    }
    kill_repeatedly("crash::child_appends_until_killed", KILLS, check);
}

/// Kills a test of this name again and again, and checks after each kill what is there, given the last numbers that were
/// acknowledged.
fn kill_repeatedly(name: &str, kills: u64, check: impl Fn(&LmdbStore, &HashMap<usize, u64>, u64)) {
    let mut acknowledged_in_all = 0;
    let mut directory = tempfile::tempdir().unwrap();
    let mut acknowledged = HashMap::new();
    for kill in 0..kills {
        if kill % KILLS_PER_STORE == 0 {
            directory = tempfile::tempdir().unwrap();
            acknowledged.clear();
        }
        acknowledged_in_all += run_and_kill(name, directory.path(), kill, &mut acknowledged);
        let store = LmdbStore::open(directory.path()).unwrap();
        check(&store, &acknowledged, kill);
    }
    assert!(
        acknowledged_in_all > kills,
        "only {acknowledged_in_all} changes were acknowledged in all"
    );
}

/// Notes the last number that each producer was acknowledged, and gives how many there were.
fn run_and_kill(
    name: &str,
    directory: &Path,
    kill: u64,
    acknowledged: &mut HashMap<usize, u64>,
) -> u64 {
    // Spread over the phases of a commit; the seed is the number of the kill.
    let after = Duration::from_micros(1_000 + kill.wrapping_mul(0x9E37_79B9) % 60_000);
    let mut child = start_child(name, directory, "");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut count = 0;
    let mut kill_at = None;
    // Lines that were written before the kill are read after it too: they were acknowledged.
    while let Some(Ok(line)) = lines.next() {
        if let Some(words) = line.strip_prefix("acknowledged ") {
            if let Some((producer, number)) = words.split_once(' ') {
                let last = acknowledged.entry(producer.parse().unwrap()).or_default();
                // Those who share a counter may say so in another order.
                *last = number.parse::<u64>().unwrap().max(*last);
                count += 1;
            }
            let kill_at = kill_at.get_or_insert_with(|| Instant::now() + after);
            if Instant::now() >= *kill_at {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    count
}

fn check(store: &LmdbStore, acknowledged: &HashMap<usize, u64>, kill: u64) {
    for producer in 0..PRODUCERS {
        let numbers = |name: String| -> Vec<u64> {
            let events = read_stream(store, &name).unwrap();
            crate::common::payloads(&events)
                .iter()
                .map(|payload| payload.parse().unwrap())
                .collect()
        };
        let single = numbers(format!("single-{producer}"));
        let double = numbers(format!("double-{producer}"));
        let whole: Vec<u64> = single
            .iter()
            .flat_map(|number| [*number, *number])
            .collect();
        assert_eq!(
            double, whole,
            "kill {kill}: a batch of producer {producer} was torn"
        );
        assert!(
            single.iter().copied().eq(1..=single.len() as u64),
            "kill {kill}: producer {producer} has {single:?}"
        );
        let last = acknowledged.get(&producer).copied().unwrap_or(0);
        assert!(
            single.len() as u64 >= last,
            "kill {kill}: append {last} of producer {producer} was acknowledged, and {} are there",
            single.len()
        );
    }
}

/// The key of what a producer writes with each of its numbers.
fn numbered(producer: usize, number: u64) -> Vec<u8> {
    format!("{producer:02}/number/{number:06}").into_bytes()
}

/// Not a test of its own: what the killed process does. Each change of a producer counts its entry
/// `count` up as it was read, adds one entry, and removes the one that was added ten changes before.
#[test]
fn child_writes_entries_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let store = &store;
            scope.spawn(move || {
                let count = format!("{producer:02}/count").into_bytes();
                loop {
                    let before = read_entries(store, &ReadEntries::key(&count)).pop();
                    let before = before.map(|(_, value)| value);
                    let number = 1 + as_number(before.as_deref());
                    let value = number.to_string().into_bytes();
                    let mut write = EntryWrite::new()
                        .expect(&count, before.as_deref())
                        .expect(&numbered(producer, number), None)
                        .put(&count, &value)
                        .put(&numbered(producer, number), &value);
                    if let Some(old) = number.checked_sub(10) {
                        write = write.remove(&numbered(producer, old));
                    }
                    block_on(store.write_entries(write)).unwrap();
                    println!("acknowledged {producer} {number}");
                }
            });
        }
    });
}

fn as_number(value: Option<&[u8]>) -> u64 {
    value.map_or(0, |value| {
        std::str::from_utf8(value).unwrap().parse().unwrap()
    })
}

#[test]
fn a_kill_in_the_middle_of_changes_of_entries_loses_nothing_and_tears_nothing() {
    if child_directory().is_some() {
        return;
    }
    let check = |store: &LmdbStore, acknowledged: &HashMap<usize, u64>, kill| {
        for producer in 0..PRODUCERS {
            let prefix = format!("{producer:02}/").into_bytes();
            let found = read_entries(store, &ReadEntries::prefix(&prefix));
            let count = as_number(found.first().map(|(_, value)| value.as_slice()));
            let last = acknowledged.get(&producer).copied().unwrap_or(0);
            assert!(
                count >= last,
                "kill {kill}: change {last} of producer {producer} was acknowledged, and {count} are there"
            );
            let numbers = (count.saturating_sub(9).max(1)..=count)
                .map(|number| (numbered(producer, number), number.to_string().into_bytes()));
            assert!(
                found.iter().skip(1).cloned().eq(numbers),
                "kill {kill}: change {count} of producer {producer} was torn: {found:?}"
            );
        }
    };
    kill_repeatedly(
        "crash::child_writes_entries_until_killed",
        KILLS_OF_ENTRIES,
        check,
    );
}

fn counter(number: usize) -> Vec<u8> {
    format!("counter/{number:02}").into_bytes()
}

/// Not a test of its own: what the killed process does. Each append puts an event with the next number of
/// a counter, and counts that up if nobody else did.
#[test]
fn child_appends_with_entries_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = LmdbStore::open(directory).unwrap();
    thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            let store = &store;
            scope.spawn(move || {
                let number = producer % COUNTERS;
                let (key, name) = (counter(number), format!("counted-{number}"));
                loop {
                    let before = read_entries(store, &ReadEntries::key(&key)).pop();
                    let before = before.map(|(_, value)| value);
                    let next = (1 + as_number(before.as_deref())).to_string();
                    let count = EntryWrite::new()
                        .expect(&key, before.as_deref())
                        .put(&key, next.as_bytes());
                    let append = Append::to(stream(&name), ExpectedVersion::Any, [event(&next)])
                        .with_entries(count);
                    match block_on(store.append(append)) {
                        Ok(_) => println!("acknowledged {number} {next}"),
                        Err(AppendError::EntryChanged { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            });
        }
    });
}

#[test]
fn a_kill_in_the_middle_of_appends_that_change_entries_leaves_both_or_neither() {
    if child_directory().is_some() {
        return;
    }
    let check = |store: &LmdbStore, acknowledged: &HashMap<usize, u64>, kill| {
        for number in 0..COUNTERS {
            let entry = read_entries(store, &ReadEntries::key(&counter(number))).pop();
            let count = as_number(entry.as_ref().map(|(_, value)| value.as_slice()));
            let last = acknowledged.get(&number).copied().unwrap_or(0);
            assert!(
                count >= last,
                "kill {kill}: append {last} of counter {number} was acknowledged, and {count} are counted"
            );
            let events = read_stream(store, &format!("counted-{number}")).unwrap();
            let wanted: Vec<_> = (1..=count).map(|number| number.to_string()).collect();
            assert!(
                crate::common::payloads(&events) == wanted,
                "kill {kill}: counter {number} counts {count}, and the events are {:?}",
                crate::common::payloads(&events)
            );
        }
    };
    kill_repeatedly(
        "crash::child_appends_with_entries_until_killed",
        KILLS_OF_BOTH,
        check,
    );
}
