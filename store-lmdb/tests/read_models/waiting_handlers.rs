//! Handlers of projections that wait for something else, while the map has to grow or the disk is full: all in one thread, which
//! nobody blocks, so that what they wait for can come.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use crate::common::process::{LONG, Process};
use crate::common::user::{SMALL_DISK, can_mount};
use crate::common::{child_directory, event, stream};
use futures_channel::oneshot;
use futures_util::future::join;
use midgard::Views;
use midgard::event::NewEvent;
use midgard::store::{Append, AppendError, Appended, ExpectedVersion, Full, StoreError};
use midgard::{
    Context, Event, HandlerError, Midgard, Place, Position, Project, Projection, Store, View,
    block_on,
};
use midgard_store_lmdb::{Durability, LmdbStore};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::pin::pin;
use std::sync::{Mutex, mpsc};
use std::thread;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "noted")]
struct Noted {
    number: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = number, index(times))]
struct Note {
    number: u64,
    times: u64,
}

/// Counts each number, and waits at the first event until it is told to go on.
#[derive(Projection)]
#[projection(name = "notes", events(Noted), views(Note))]
struct Notes(Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>);

impl Project<Noted> for Notes {
    async fn project(
        &self,
        event: Noted,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let none = || Note {
            number: event.number,
            times: 0,
        };
        // Read before and after the wait.
        context.upsert::<Note>(event.number, none, |row| row.times += 1)?;
        let waits = self.0.lock().unwrap().take();
        if let Some((waits, go)) = waits {
            waits.send(()).unwrap();
            go.await?;
        }
        context.update::<Note>(event.number, |row| row.times += 1)?;
        assert_eq!(context.get::<Note>(event.number + 1)?, None);
        Ok(())
    }
}

async fn append(store: &LmdbStore, name: &str, event: NewEvent) -> Result<Appended, AppendError> {
    let append = Append::to(stream(name), ExpectedVersion::Any, [event]);
    store.append(append).await
}

async fn note(store: &LmdbStore, number: u64) -> Position {
    let noted = NewEvent::encode(&Noted { number }).unwrap();
    let appended = append(store, "notes", noted).await.unwrap();
    appended.position.unwrap()
}

/// Runs the projection in this thread, and `meanwhile` while its handler waits.
fn run(store: &LmdbStore, meanwhile: impl AsyncFnOnce(&LmdbStore)) {
    let (waits, is_waiting) = oneshot::channel();
    let (go, goes) = oneshot::channel();
    let views = Views::new(store.clone());
    let notes = Notes(Mutex::new(Some((waits, goes))));
    let midgard = Midgard::new(store.clone()).project(notes, views.clone());
    let handle = midgard.handle();
    let program = async {
        note(store, 1).await;
        let last = note(store, 1).await;
        is_waiting.await.unwrap();
        meanwhile(store).await;
        go.send(()).unwrap();
        handle
            .wait_for("notes", Place::main(last), LONG)
            .await
            .unwrap();
        handle.stop();
    };
    let running = pin!(midgard.run());
    let (ended, ()) = block_on(join(running, program));
    ended.unwrap();
    let counted = views.get::<Note>(1).unwrap();
    assert_eq!(
        counted,
        Some(Note {
            number: 1,
            times: 4
        })
    );
}

/// Fails when something never ends, rather than to never end as well.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, is_done) = mpsc::channel();
    let worker = thread::spawn(move || done.send(work()));
    match is_done.recv_timeout(LONG) {
        Ok(value) => value,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it never ends"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(worker.join().unwrap_err())
        }
    }
}

fn open_small(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .initial_map_size(1 << 20)
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

#[test]
fn the_map_grows_while_a_handler_waits_for_what_is_appended() {
    if child_directory().is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let store = open_small(directory.path());
    in_time(move || {
        run(&store, async |store| {
            for _ in 0..100 {
                let large = event("x".repeat(50_000));
                append(store, "large", large).await.unwrap();
            }
        });
    });
}

/// Not a test of its own: fills its disk while a handler waits, and goes on when there is room again.
#[test]
fn child_fills_its_disk() {
    let Some(directory) = child_directory() else {
        return;
    };
    let directory = Path::new(&directory);
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let store = LmdbStore::open(directory.join("store")).unwrap();
    in_time(move || {
        run(&store, async |store| {
            let error = loop {
                let large = event("x".repeat(50_000));
                if let Err(error) = append(store, "large", large).await {
                    break error;
                }
            };
            let is_full = matches!(error, AppendError::Store(StoreError::Full(Full::Disk)));
            assert!(is_full, "{error:?}");
            fs::remove_file(&ballast).unwrap();
            for _ in 0..10 {
                let large = event("x".repeat(50_000));
                append(store, "large", large).await.unwrap();
            }
        });
    });
    println!("went on");
}

#[test]
fn a_full_disk_has_room_again_while_a_handler_waits_for_what_is_appended() {
    if child_directory().is_some() || !can_mount() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut child = Process::start_in(
        SMALL_DISK,
        "waiting_handlers::child_fills_its_disk",
        directory.path(),
        &[],
    );
    child.next("went on");
    assert!(child.end().success());
}
