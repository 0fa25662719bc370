//! Notes that are read by kind and name, without the handlers of the consumers.

use super::kit::{Balances, Counted, Seen, accounts, at_once, count};
use midgard::consumer::{ConsumerKind, ConsumerNotes, ConsumerOptions, DeadLetter};
use midgard::notes::StoreNotes;
use midgard::{MemoryStore, Midgard, Place, Position, StartFrom, Subscription, Views, block_on};

/// A subscription of this name that has handled all there is.
fn handled(store: &MemoryStore, name: &str, start: StartFrom) {
    let subscription = Subscription::<Counted>::events(name, start);
    let midgard = Midgard::new(store.clone()).subscribe(subscription, Seen::default().collect());
    block_on(midgard.catch_up()).unwrap();
}

fn positions(letters: &[DeadLetter]) -> Vec<u64> {
    letters
        .iter()
        .map(|letter| letter.place.position.0)
        .collect()
}

#[test]
fn checkpoints_are_read_by_kind_and_name() {
    let store = MemoryStore::new();
    let last = count(&store, "a", 1..=3);
    handled(&store, "mailer", StartFrom::Start);
    count(&store, "a", 4..=5);
    let notes = StoreNotes::of(store);
    let of = |kind, name| block_on(ConsumerNotes::of(&notes, kind, name).checkpoint()).unwrap();
    assert_eq!(
        of(ConsumerKind::Subscription, "mailer"),
        Some(Place::main(last))
    );
    assert_eq!(of(ConsumerKind::Subscription, "mail"), None);
    assert_eq!(of(ConsumerKind::ProcessManager, "mailer"), None);
    assert_eq!(of(ConsumerKind::Inbox, "mailer"), None);
}

#[test]
fn consumers_that_have_begun_are_listed_by_kind_and_name() {
    let store = MemoryStore::new();
    accounts(&store);
    // One is the beginning of another, and one ends with what comes after a slash.
    for name in ["mailer0", "mailer", "mailer!", "billing"] {
        handled(&store, name, StartFrom::End);
    }
    let views = Views::new(store.clone());
    let midgard = Midgard::new(store.clone()).project(Balances::<1>::default(), views);
    block_on(midgard.catch_up()).unwrap();
    let notes = StoreNotes::of(store);
    let all = block_on(ConsumerNotes::all(&notes)).unwrap();
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    let wanted = [
        "subscription \"billing\"",
        "subscription \"mailer!\"",
        "subscription \"mailer\"",
        "subscription \"mailer0\"",
        "projection \"balances\"",
    ];
    assert_eq!(all, wanted);
}

#[test]
fn dead_letters_are_read_where_views_are() {
    let (store, entries) = (MemoryStore::new(), MemoryStore::new());
    accounts(&store);
    let options = ConsumerOptions::new().on_failure(at_once().then_park());
    let views = Views::new(entries);
    let balances = Balances::<1>::refusing(99);
    let midgard = Midgard::new(store.clone()).project_with(balances, views.clone(), options);
    block_on(midgard.catch_up()).unwrap();
    let notes = ConsumerNotes::of(&views, ConsumerKind::Projection, "balances");
    let after = |position, limit| {
        let letters = notes.dead_letters_after(position, limit);
        positions(&block_on(letters).unwrap())
    };
    assert_eq!(after(None, 10), [3, 5]);
    assert_eq!(after(None, 1), [3]);
    assert_eq!(after(Some(Place::main(Position(3))), 10), [5]);
    assert_eq!(
        block_on(notes.checkpoint()).unwrap(),
        Some(Place::main(Position(5)))
    );
    let elsewhere = StoreNotes::of(store);
    let all = block_on(ConsumerNotes::all(&elsewhere)).unwrap();
    assert!(all.is_empty(), "its notes are where its views are: {all:?}");
}
