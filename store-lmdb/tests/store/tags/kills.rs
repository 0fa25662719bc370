//! Processes that are killed, or at it at once, while the index is merged.

use super::*;
use crate::common::{Lines, child_directory, start_child, verify};
use midgard::Place;
use midgard::store::{AppendCondition, AppendError};
use std::time::Duration;

/// Not a test of its own: appends, each batch with a tag of its own that is to be there once.
#[test]
fn child_appends_until_killed() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(Path::new(&directory));
    let mut random = Random::new(store.directory().as_os_str().len() as u64);
    let end = block_on(store.last_position(midgard::LogId::MAIN)).unwrap();
    random.0.seed(end.get());
    for number in 0.. {
        let batch = format!("batch:{}-{number}", end.get());
        let mut events: Vec<_> = (0..700).map(|_| random.event()).collect();
        for event in &mut events {
            event.tags.insert(&batch);
        }
        let name = stream(&format!("stream-{}", random.below(40)));
        let condition = AppendCondition {
            query: QueryItem::new().tag(batch).into(),
            after: Place::START,
        };
        let append = Append::to(name, ExpectedVersion::Any, events).unless(condition);
        block_on(store.append(append)).unwrap();
        println!("appended {number}");
    }
}

#[test]
fn a_kill_in_the_middle_of_a_merge_leaves_every_query_right() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(9);
    for kill in 0..12_u64 {
        let name = "tags::kills::child_appends_until_killed";
        let mut child = start_child(name, directory.path(), "");
        let mut lines = Lines::of(&mut child);
        for _ in 0..18 {
            lines.next("appended ").unwrap();
        }
        let after = Duration::from_micros(kill.wrapping_mul(0x9E37_79B9) % 30_000);
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(directory.path());
        check(&store, &mut random, 6);
    }
    let store = open(directory.path());
    let statistics = store.statistics(|_| ControlFlow::Continue(())).unwrap();
    assert!(statistics.tags.runs > 0, "{statistics:?}");
    let verification = verify(&store);
    assert!(verification.is_sound(), "{verification:?}");
}

const SEATS: usize = 400;

/// Takes seats until none is left, each only if nobody has it, and gives how many.
fn take_seats(store: &LmdbStore, random: &mut Random) -> usize {
    let mut taken = 0;
    for number in 0..SEATS {
        let seat = format!("seat:{number}");
        let condition = AppendCondition {
            query: QueryItem::new().name("seat.taken").tag(&seat).into(),
            after: Place::START,
        };
        let mut events: Vec<_> = (0..150).map(|_| random.event()).collect();
        let mut first = event("{}");
        first.name = "seat.taken".into();
        first.tags.insert(&seat);
        events.push(first);
        let name = stream(&format!("stream-{}", random.below(40)));
        let append = Append::to(name, ExpectedVersion::Any, events).unless(condition);
        match block_on(store.append(append)) {
            Ok(_) => taken += 1,
            Err(AppendError::ConditionFailed { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

/// Not a test of its own: another process that takes seats.
#[test]
fn child_takes_seats() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(Path::new(&directory));
    println!("ready");
    println!("taken {}", take_seats(&store, &mut Random::new(2)));
}

#[test]
fn of_two_processes_that_merge_at_once_one_gets_each_seat() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut child = start_child("tags::kills::child_takes_seats", directory.path(), "");
    let mut lines = Lines::of(&mut child);
    lines.next("ready").unwrap();
    let mut random = Random::new(1);
    let ours = take_seats(&store, &mut random);
    let theirs: usize = lines.next("taken ").unwrap().parse().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(ours + theirs, SEATS);
    let taken = ReadLog::forward().matching(QueryItem::new().name("seat.taken"));
    assert_eq!(positions(&store, &taken).len(), SEATS);
    check(&store, &mut random, 10);
    let verification = verify(&store);
    assert!(verification.is_sound(), "{verification:?}");
}
