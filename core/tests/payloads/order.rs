//! Events are applied before they are appended: where an `apply` panics, there is no event.

use crate::kit::event;
use midgard::{
    Aggregate, Apply, Command, Event, Events, LogId, MemoryStore, Position, Repository, Store,
    block_on, events,
};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

event!(Counted(u64), "tally.counted");

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "tally", id = u32, events(Counted))]
struct Tally {
    total: u64,
}

impl Apply<Counted> for Tally {
    fn apply(&mut self, event: Counted) {
        assert_ne!(
            event.value,
            13,
            "{} is more than can be counted",
            Counted::NAME
        );
        self.total += event.value;
    }
}

struct Count(&'static [u64]);

impl Command<Tally> for Count {
    type Error = Infallible;

    fn decide(&self, _: &Tally) -> Result<Events<Tally>, Infallible> {
        Ok(self.0.iter().map(|&value| Counted { value }).collect())
    }
}

fn tallies() -> Repository<Tally, MemoryStore> {
    let tallies = Repository::new(MemoryStore::new());
    block_on(tallies.execute(&1, &Count(&[2]))).unwrap();
    tallies
}

#[test]
fn an_apply_that_panics_leaves_no_event() {
    let tallies = tallies();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        block_on(tallies.execute(&1, &Count(&[1, 13])))
    }));
    assert!(panicked.is_err());
    assert_eq!(
        block_on(tallies.store().last_position(LogId::MAIN)).unwrap(),
        Position(1)
    );
    assert_eq!(block_on(tallies.load(&1)).unwrap().state().total, 2);
    assert_eq!(
        block_on(tallies.execute(&1, &Count(&[3])))
            .unwrap()
            .state()
            .total,
        5
    );
}

#[test]
fn nor_is_any_of_the_decision_committed_when_the_panic_is_survived() {
    let tallies = tallies();
    let mut tally = block_on(tallies.load(&1)).unwrap();
    tally.decide(&Count(&[5])).unwrap();
    let decided = catch_unwind(AssertUnwindSafe(|| {
        tally.decide(&Count(&[1, 13])).map(Events::len)
    }));
    assert!(decided.is_err());
    assert_eq!(tally.pending().len(), 1);
    block_on(tallies.commit(tally)).unwrap();
    assert_eq!(block_on(tallies.load(&1)).unwrap().state().total, 7);
}

/// There is no state that a saved event could be applied to: this is what the docs of `save` say.
#[test]
fn a_saved_event_is_applied_when_it_is_loaded() {
    let tallies = tallies();
    block_on(tallies.save(
        &1,
        midgard::store::ExpectedVersion::Any,
        events![Counted { value: 13 }],
    ))
    .unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(tallies.load(&1)))).is_err());
}
