//! A new version of a projection beside the old one, each in a process of its own, and readers in a third.

use crate::common::child_directory;
use crate::kit::{
    Applied, Balance, Fold, HELD, HOLDING, LONG, Ledger, Moved, Process, append_moved, fold, moved,
    obey, open, read_moves, told,
};
use midgard::consumer::{ConsumerOptions, ConsumerState, LastError};
use midgard::store::{Append, ExpectedVersion};
use midgard::view::ViewSnapshot;
use midgard::view::{Select, ViewError};
use midgard::{
    Context, HandlerError, Midgard, MidgardHandle, Place, Position, Project, Projection, Store,
    StreamName, View, Views, block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The balance of another release: it counts the moves, and has other indexes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(name = "balance", key = account, index(moves, ordered))]
struct CountedBalance {
    account: u32,
    cents: i64,
    moves: u64,
}

/// The ledger of another release, which keeps the view by another definition. Its version is the same: the
/// definition tells.
#[derive(Projection)]
#[projection(name = "ledger", events(Moved), views(CountedBalance))]
struct CountingLedger;

impl Project<Moved> for CountingLedger {
    async fn project(
        &self,
        Moved { account, cents }: Moved,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let new = || CountedBalance {
            account,
            cents: 0,
            moves: 0,
        };
        context.upsert::<CountedBalance>(account, new, |row| {
            row.cents += cents;
            row.moves += 1;
        })?;
        Ok(())
    }
}

fn program<P: Projection<Store = Views>>(store: &LmdbStore, projection: P) -> Midgard<LmdbStore> {
    let options = ConsumerOptions::new().lease(Duration::from_millis(300));
    let views = Views::new(store.clone());
    Midgard::new(store.clone()).project_with(projection, views, options)
}

/// Not a test of its own: runs one release of the projection, and says when it cannot go on.
#[test]
fn child_runs_a_release() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    let midgard = match std::env::var("RELEASE").unwrap().as_str() {
        "1" => program(&store, Ledger::<1>),
        "2" => program(&store, Ledger::<2>),
        _ => program(&store, CountingLedger),
    };
    let handle = midgard.handle();
    obey(handle.clone());
    thread::spawn(move || {
        let failed = handle.wait_until("ledger", LONG, |status| {
            status.state == ConsumerState::Failed
        });
        if let Ok(status) = block_on(failed) {
            let LastError { message, .. } = status.last_error.unwrap();
            println!("failed {message}");
        }
    });
    // Once it has failed, this is the reason.
    println!("ended {:?}", block_on(midgard.run()));
}

fn release(directory: &Path, number: &str, more: &[(&str, &str)]) -> Process {
    let mut variables = vec![("RELEASE", number)];
    variables.extend(more);
    Process::start("versions::child_runs_a_release", directory, &variables)
}

/// What is in a snapshot: the events of version 1 or of version 2, and how many of them.
fn version_of(snapshot: &ViewSnapshot, moves: &[(u64, Moved)]) -> (i64, usize) {
    let applied = snapshot.select(Select::<Applied>::all()).unwrap();
    let balances = snapshot.select(Select::<Balance>::all()).unwrap();
    let moves = &moves[..applied.len()];
    let is_of = |factor: &i64| {
        let fold: Fold = fold(moves, *factor);
        assert_eq!(fold.applied, applied, "each once, and none left out");
        fold.balances.values().eq(&balances)
    };
    let version = [1, 2].into_iter().find(is_of);
    (version.expect("the rows of one version"), applied.len())
}

/// Not a test of its own: reads the views again and again, until it is told to end, and says what it sees.
#[test]
fn child_reads_the_ledger() {
    let Some(directory) = child_directory() else {
        return;
    };
    let store = open(directory);
    let views = Views::new(store.clone());
    let ended = Arc::new(AtomicBool::new(false));
    thread::spawn({
        let ended = ended.clone();
        move || {
            told();
            ended.store(true, Ordering::SeqCst);
        }
    });
    let (mut moves, mut last, mut reads) = (Vec::new(), (0, 0), 0);
    while !ended.load(Ordering::SeqCst) {
        let snapshot = views.snapshot().unwrap();
        let read = moves.last().map_or(0, |(position, _)| *position);
        moves.extend(read_moves(&store, Position(read)));
        let (version, events) = version_of(&snapshot, &moves);
        assert!(version >= last.0 && events >= last.1, "it never goes back");
        if version > last.0 {
            println!("sees {version} of {events} events");
        }
        last = (version, events);
        reads += 1;
    }
    println!("read {reads} times");
}

/// Many events, with one in the middle where a process may be held.
fn append_many(store: &LmdbStore) -> Position {
    let events = (0..600).map(|number| match number {
        300 => moved(0, HELD),
        _ => moved(0, number % 7 + 1),
    });
    let stream = StreamName::new("account-0").unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, events);
    block_on(store.append(append)).unwrap();
    for account in 1..8 {
        append_moved(store, account, 5);
    }
    append_moved(store, 8, 5)
}

fn wait(handle: &MidgardHandle, position: Position) {
    block_on(handle.wait_for("ledger", Place::main(position), LONG)).unwrap();
}

#[test]
fn readers_see_the_old_views_or_the_new_ones_complete_while_another_process_builds_them() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let views = Views::new(store.clone());
    let (first, second) = (program(&store, Ledger::<1>), program(&store, Ledger::<2>));
    let (first, second) = (first.handle(), second.handle());
    let last = append_many(&store);
    let mut old = release(path, "1", &[]);
    wait(&first, last);
    let mut reader = Process::start("versions::child_reads_the_ledger", path, &[]);
    reader.next("sees 1");

    // Half built, while the old one goes on.
    let mut new = release(path, "2", &[HOLDING]);
    new.next("holding");
    let last = append_moved(&store, 3, 9);
    wait(&first, last);
    let state = || {
        version_of(
            &views.snapshot().unwrap(),
            &read_moves(&store, Position::ZERO),
        )
    };
    assert_eq!(state(), (1, last.0 as usize));
    new.kill();

    // Built to the end by another process, while events come.
    let mut new = release(path, "2", &[]);
    let mut last = append_moved(&store, 4, 9);
    while reader
        .next_within("sees 2", Duration::from_millis(1))
        .is_none()
    {
        last = append_moved(&store, 4, 9);
    }
    let failed = old.next("failed ");
    assert!(failed.contains("run the newer release"), "{failed}");
    wait(&second, last);
    assert_eq!(state(), (2, last.0 as usize));

    // One of the old release that comes late changes nothing.
    let mut late = release(path, "1", &[]);
    let failed = late.next("failed ");
    assert!(failed.contains("run the newer release"), "{failed}");
    let last = append_moved(&store, 5, 9);
    wait(&second, last);
    assert_eq!(state(), (2, last.0 as usize));

    for process in [&mut reader, &mut old, &mut new, &mut late] {
        process.say("stop");
        assert!(process.end().success(), "{:?}", process.said(""));
    }
    assert_eq!(new.said("ended "), ["Ok(())"]);
    // What was to happen after commits has happened once, whichever release did it.
    let effects = [&old, &new, &late].map(|process| process.said("applied "));
    let effects = effects.concat().into_iter().map(|at| at.parse().unwrap());
    let mut effects: Vec<u64> = effects.collect();
    effects.sort_unstable();
    assert!(effects.into_iter().eq(1..=last.0));
}

#[test]
fn a_changed_definition_is_built_beside_by_another_process_and_readers_of_the_old_one_are_told() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let store = open(path);
    let views = Views::new(store.clone());
    let handle = program(&store, Ledger::<1>).handle();
    let last = append_many(&store);
    let mut old = release(path, "1", &[]);
    wait(&handle, last);
    let moves = read_moves(&store, Position::ZERO);
    let expected: Vec<Balance> = fold(&moves, 1).balances.into_values().collect();
    let mut new = release(path, "counting", &[]);
    let rows = loop {
        let snapshot = views.snapshot().unwrap();
        let by_old = snapshot.select(Select::<Balance>::all());
        let by_new = snapshot.select(Select::<CountedBalance>::all());
        match (by_old, by_new) {
            (Ok(rows), Err(ViewError::OtherDefinition { .. })) => assert_eq!(rows, expected),
            (Err(ViewError::OtherDefinition { .. }), Ok(rows)) => break rows,
            other => panic!("always one of both: {other:?}"),
        }
    };
    let sums: Vec<_> = rows.iter().map(|row| (row.account, row.cents)).collect();
    let expected = expected.iter().map(|row| (row.account, row.cents));
    assert_eq!(sums, expected.collect::<Vec<_>>());
    assert_eq!(rows.iter().map(|row| row.moves).sum::<u64>(), last.0);
    let failed = old.next("failed ");
    assert!(failed.contains("give it a higher version"), "{failed}");
    let last = append_moved(&store, 0, 1);
    wait(&program(&store, CountingLedger).handle(), last);
    for process in [&mut old, &mut new] {
        process.say("stop");
        assert!(process.end().success());
    }
    assert_eq!(new.said("ended "), ["Ok(())"]);
    let rows = views.select(Select::<CountedBalance>::all()).unwrap();
    assert_eq!(rows.iter().map(|row| row.moves).sum::<u64>(), last.0);
}
