//! What `verify` finds, and that it finds nothing where nothing is wrong.
#![allow(clippy::unwrap_used)]

mod common;

use common::{append, event, stream};
use midgard::{Append, ExpectedVersion, NewEvent, Position, Store, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore, Verification};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn open(directory: &Path) -> LmdbStore {
    LmdbStore::options()
        .durability(Durability::NoSync)
        .open(directory)
        .unwrap()
}

fn verify(store: &LmdbStore) -> Verification {
    store.verify(|_| ControlFlow::Continue(())).unwrap()
}

#[track_caller]
fn assert_sound(verification: &Verification) {
    assert!(
        verification.is_sound(),
        "{verification}:\n{}",
        listed(verification).join("\n")
    );
}

fn listed(verification: &Verification) -> Vec<String> {
    let problems = verification.problems.iter();
    problems.map(ToString::to_string).collect()
}

/// Appends `events` events to each of `streams` streams, in turn.
fn fill(store: &LmdbStore, prefix: &str, streams: usize, events: usize) {
    let names: Vec<_> = (0..streams)
        .map(|n| stream(&format!("{prefix}-{n}")))
        .collect();
    for number in 0..events {
        for names in names.chunks(1000) {
            let mut append = Append::new();
            for name in names {
                let event = event(format!("{{\"number\":{number}}}"));
                append = append.and(name.clone(), ExpectedVersion::Any, [event]);
            }
            block_on(store.append(append)).unwrap();
        }
    }
}
