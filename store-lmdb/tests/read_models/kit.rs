//! What the tests of read models share: events, views, a projection, the fold that they are compared with,
//! and processes that can be talked to.
#![allow(dead_code, clippy::unwrap_used, clippy::print_stdout)]

pub(crate) use crate::common::process::{LONG, Process, end_when_left_alone, told};

use crate::common::stream;
use event_listener::Event as Notify;
use midgard::consumer::{ConsumerState, Status};
use midgard::event::{EventDescriptor, NewEvent, RecordedEventRef};
use midgard::projection::ProjectError;
use midgard::projection::ViewDefinition;
use midgard::projection::{Keeps, Projects};
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{
    Context, Event, HandlerError, MidgardHandle, Position, Project, Projection, Store, View, Views,
    block_on,
};
use midgard_store_lmdb::LmdbStore;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;

/// Money comes to an account, or goes; with nothing at all, the account is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "moved")]
pub(crate) struct Moved {
    pub(crate) account: u32,
    pub(crate) cents: i64,
}

/// An event, and how often it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = position)]
pub(crate) struct Applied {
    pub(crate) position: u64,
    pub(crate) times: u64,
}

/// What is in an account, and which event was the last of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = account, index(cents, ordered), index(last, unique, ordered))]
pub(crate) struct Balance {
    pub(crate) account: u32,
    pub(crate) cents: i64,
    pub(crate) last: u64,
}

/// In a process with `HOLDING`, handlers stop at an event with so many cents, until it is told to go on.
pub(crate) const HELD: i64 = 777;
pub(crate) const HOLDING: (&str, &str) = ("HOLD", "yes");

static HELD_UP: Notify = Notify::new();

/// Says that an event is being handled, and waits until the process is told to go on.
pub(crate) async fn hold_at(cents: i64) {
    if cents != HELD || std::env::var(HOLDING.0).is_err() {
        return;
    }
    let go = HELD_UP.listen();
    println!("holding");
    go.await;
}

pub(crate) fn go_on() {
    HELD_UP.notify(usize::MAX);
}

/// Keeps both views, and says each event's position once it is committed. Version 2 counts double.
pub(crate) struct Ledger<const VERSION: u32>;

impl<const VERSION: u32> Projection for Ledger<VERSION> {
    const NAME: &'static str = "ledger";
    const VERSION: u32 = VERSION;
    const EVENTS: &'static [&'static EventDescriptor] = &[Moved::DESCRIPTOR];
    type Store = Views;

    fn views() -> Vec<ViewDefinition> {
        vec![
            ViewDefinition::of::<Applied>(),
            ViewDefinition::of::<Balance>(),
        ]
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let moved = event.decode::<Moved>()?;
        let projected = self.project(moved, context).await;
        projected.map_err(ProjectError::Handler)
    }
}

impl<const VERSION: u32> Projects<Moved> for Ledger<VERSION> {}
impl<const VERSION: u32> Keeps<Applied> for Ledger<VERSION> {}
impl<const VERSION: u32> Keeps<Balance> for Ledger<VERSION> {}

impl<const VERSION: u32> Project<Moved> for Ledger<VERSION> {
    async fn project(
        &self,
        event: Moved,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let Moved { account, cents } = event;
        let position = context.recorded().position.get();
        hold_at(cents).await;
        let new = || Applied { position, times: 0 };
        context.upsert::<Applied>(position, new, |row| row.times += 1)?;
        if cents == 0 {
            context.remove::<Balance>(account)?;
        } else {
            let new = || Balance {
                account,
                cents: 0,
                last: 0,
            };
            context.upsert::<Balance>(account, new, |row| {
                row.cents += cents * i64::from(VERSION);
                row.last = position;
            })?;
        }
        context.after_commit(async move { println!("applied {position}") });
        Ok(())
    }
}

/// Everything that moved, read from the log alone.
pub(crate) fn read_moves(store: &impl Store, after: Position) -> Vec<(u64, Moved)> {
    let mut moves = Vec::new();
    let read = ReadLog::forward().after(after);
    block_on(store.read_log(&read, &mut |event| {
        moves.push((event.position.get(), event.decode::<Moved>().unwrap()));
        ControlFlow::Continue(())
    }))
    .unwrap();
    moves
}

/// The rows of both views, as they must be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    pub(crate) applied: Vec<Applied>,
    pub(crate) balances: BTreeMap<u32, Balance>,
}

/// Folds moves, each of which counts so many times.
pub(crate) fn fold(moves: &[(u64, Moved)], factor: i64) -> Fold {
    let mut fold = Fold::default();
    for (position, Moved { account, cents }) in moves {
        let (position, account) = (*position, *account);
        fold.applied.push(Applied { position, times: 1 });
        if *cents == 0 {
            fold.balances.remove(&account);
            continue;
        }
        let before = fold.balances.get(&account).map_or(0, |row| row.cents);
        let row = Balance {
            account,
            cents: before + cents * factor,
            last: position,
        };
        fold.balances.insert(account, row);
    }
    fold
}

pub(crate) fn moved(account: u32, cents: i64) -> NewEvent {
    NewEvent::encode(&Moved { account, cents }).unwrap()
}

/// Appends to the stream of one account.
pub(crate) fn append_moved(store: &impl Store, account: u32, cents: i64) -> Position {
    let name = stream(&format!("account-{account}"));
    let append = Append::to(name, ExpectedVersion::Any, [moved(account, cents)]);
    block_on(store.append(append)).unwrap().position.unwrap()
}

pub(crate) fn open(directory: impl AsRef<Path>) -> LmdbStore {
    LmdbStore::open(directory).unwrap()
}

/// Lets this process do what it is told: `go` on after an event that holds it, `stop`, and say when it owns so
/// many partitions (`own 2`), or none (`own 0`).
pub(crate) fn obey(handle: MidgardHandle) {
    let name = handle.status()[0].name.clone();
    let obey = move || loop {
        let line = told().unwrap_or_else(|| std::process::exit(1));
        match line.split_once(' ') {
            Some(("own", count)) => {
                let count: u32 = count.parse().unwrap();
                let owns = |status: &Status| {
                    let is_known = count > 0 || status.state == ConsumerState::Standby;
                    status.partitions == count && is_known
                };
                block_on(handle.wait_until(&name, LONG, owns)).unwrap();
                println!("owns {count}");
            }
            _ if line == "go" => go_on(),
            // An owner checks its leases whenever it is asked for something.
            _ if line == "look" => handle.restart(&name).unwrap(),
            _ => return handle.stop(),
        }
    };
    thread::spawn(obey);
}
