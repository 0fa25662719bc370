//! Which events views are made of is part of what they are: releases that list more, and releases that list fewer.

use super::kit::{Balance, LONG, Paid, append_event, balances, pay, start};
use midgard::consumer::{ConsumerState, RunError, Status};
use midgard::store::{EntryWrite, ReadEntries};
use midgard::{
    Context, Event, HandlerError, MemoryStore, Midgard, Project, Projection, Store, Views, block_on,
};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "refunded")]
struct Refunded {
    account: String,
    cents: u64,
}

fn refund(store: &MemoryStore, account: &str, cents: u64) {
    let account = account.to_owned();
    let stream = format!("account-{account}");
    append_event(store, &stream, &Refunded { account, cents });
}

/// A projection as a release has it: with its events, and its version.
macro_rules! release {
    ($release:ident, $version:literal, [$($event:ident: $sign:tt),*]) => {
        mod $release {
            use super::*;

            #[derive(Clone, Default, Projection)]
            #[projection(name = "balances", version = $version, events($($event),*), views(Balance))]
            pub(super) struct Balances(pub(super) Arc<AtomicU64>);

            $(impl Project<$event> for Balances {
                async fn project(
                    &self,
                    event: $event,
                    context: &mut Context<'_, Self>,
                ) -> Result<(), HandlerError> {
                    self.0.fetch_add(1, Ordering::SeqCst);
                    let $event { account, cents } = event;
                    let none = || Balance { account: account.clone(), cents: 100 };
                    let change = |row: &mut Balance| row.cents $sign cents;
                    Ok(context.upsert::<Balance>(&account, none, change)?)
                }
            })*
        }
    };
}

release!(old, 1, [Paid: +=]);
release!(new, 1, [Paid: +=, Refunded: -=]);
release!(next, 2, [Paid: +=]);

fn catch_up<P: Projection<Store = Views>>(
    store: &MemoryStore,
    views: &Views,
    projection: P,
) -> Result<(), RunError> {
    let midgard = Midgard::new(store.clone());
    block_on(midgard.project(projection, views.clone()).catch_up())
}

fn ann(views: &Views) -> u64 {
    let [(_, cents)] = balances(views).try_into().unwrap();
    cents
}

const KNOWS_LESS: &str = "its views are made of events that this program does not list (refunded), with the same version 1; \
    run the release that lists them, or, to drop these events, give this one a higher version";

#[test]
fn a_release_that_lists_more_events_builds_its_views_anew_and_one_that_lists_fewer_leaves_them() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    pay(&store, "ann", 10);
    refund(&store, "ann", 3);
    catch_up(&store, &views, old::Balances::default()).unwrap();
    assert_eq!(ann(&views), 110);

    catch_up(&store, &views, new::Balances::default()).unwrap();
    assert_eq!(ann(&views), 107, "the refund before is in it");
    let again = new::Balances::default();
    catch_up(&store, &views, again.clone()).unwrap();
    assert_eq!(again.0.load(Ordering::SeqCst), 0, "once");

    // Back to the old release, which would take refunds out of the views again.
    refund(&store, "ann", 4);
    let error = catch_up(&store, &views, old::Balances::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("projection \"balances\" stopped: {KNOWS_LESS}")
    );
    assert_eq!(ann(&views), 107);
    catch_up(&store, &views, new::Balances::default()).unwrap();
    assert_eq!(ann(&views), 103);

    // To do without is a decision.
    catch_up(&store, &views, next::Balances::default()).unwrap();
    assert_eq!(ann(&views), 110);
}

#[test]
fn an_old_release_that_runs_beside_the_new_one_gives_way_to_it() {
    let (store, views) = (MemoryStore::new(), Views::new(MemoryStore::new()));
    let last = pay(&store, "ann", 10);
    let program = |store: &MemoryStore| Midgard::new(store.clone());
    let old = start(program(&store).project(old::Balances::default(), views.clone()));
    old.wait("balances", last);
    refund(&store, "ann", 3);
    let new = start(program(&store).project(new::Balances::default(), views.clone()));
    let has_failed = |status: &Status| status.state == ConsumerState::Failed;
    let status = block_on(old.handle.wait_until("balances", LONG, has_failed)).unwrap();
    assert_eq!(status.last_error.unwrap().message, KNOWS_LESS);
    let last = pay(&store, "ann", 1);
    new.wait("balances", last);
    assert_eq!(ann(&views), 108);
    new.stop().unwrap();
    assert!(old.stop().is_err());
}

#[test]
fn views_of_releases_that_did_not_note_their_events_are_not_built_anew_for_that() {
    let (store, kept) = (MemoryStore::new(), MemoryStore::new());
    let views = Views::new(kept.clone());
    pay(&store, "ann", 10);
    catch_up(&store, &views, new::Balances::default()).unwrap();

    // As releases before have written it.
    let key = b"projection/balances/about";
    let mut noted = String::new();
    let read = |noted: &mut String| {
        let mut visit = |_: &[u8], value: &[u8]| {
            *noted = String::from_utf8(value.to_vec()).unwrap();
            ControlFlow::Continue(())
        };
        block_on(kept.read_entries(&ReadEntries::key(key), &mut visit)).unwrap();
    };
    read(&mut noted);
    let events = r#","events":["paid","refunded"]"#;
    let before = noted.replace(events, "");
    assert_ne!(before, noted);
    let write = EntryWrite::new().put(key, before.as_bytes());
    block_on(kept.write_entries(write)).unwrap();

    let release = new::Balances::default();
    catch_up(&store, &views, release.clone()).unwrap();
    assert_eq!(release.0.load(Ordering::SeqCst), 0);
    let mut after = String::new();
    read(&mut after);
    assert_eq!(after, noted, "from now on they are known");
}
