//! Many tasks decide at once, and a replay of the log finds each decision right.

use midgard::event::RecordedEvent;
use midgard::repository::{ExecuteError, Repositories};
use midgard::store::{Query, QueryItem};
use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, block_on, events};
use serde::{Deserialize, Serialize};
use std::thread;

/// An event with what its decision saw: how many events its own query had found.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "random.noted")]
struct Noted {
    #[event(tag = "a")]
    a: u32,
    #[event(tag = "b")]
    b: Option<u32>,
    seen: Seen,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
struct Seen {
    /// The tags that were asked for.
    a: Option<u32>,
    b: Option<u32>,
    count: u64,
}

macro_rules! model {
    ($model:ident { $($tag:ident),* } $($all:ident)?) => {
        #[derive(DecisionModel)]
        #[decision($($all,)? events(Noted))]
        struct $model {
            $(#[decision(tag)] $tag: u32,)*
            count: u64,
        }

        impl Apply<Noted> for $model {
            fn apply(&mut self, _: Noted) {
                self.count += 1;
            }
        }
    };
}

model!(OfA { a });
model!(OfB { b });
model!(OfBoth { a, b });
model!(OfAll {} all);

/// Records an event with these tags, and what was seen; sometimes refuses.
struct Note {
    a: u32,
    b: Option<u32>,
}

macro_rules! note {
    ($model:ident, $of:ident => $a:expr, $b:expr) => {
        impl Command<$model> for Note {
            type Error = ();

            fn decide(&self, $of: &$model) -> Result<Events<$model>, ()> {
                let seen = Seen {
                    a: $a,
                    b: $b,
                    count: $of.count,
                };
                let noted = Noted {
                    a: self.a,
                    b: self.b,
                    seen,
                };
                Ok(events![noted.to(format!("noted-{}", self.a))])
            }
        }
    };
}

note!(OfA, model => Some(model.a), None);
note!(OfB, model => None, Some(model.b));
note!(OfBoth, model => Some(model.a), Some(model.b));
note!(OfAll, model => { let _ = model; None }, None);

/// A small generator: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).unwrap() % end
    }
}

#[test]
fn every_decision_saw_all_that_its_query_finds_before_it() {
    let store = MemoryStore::new();
    thread::scope(|scope| {
        for task in 0..16 {
            let notes = Repositories::new(store.clone()).with_retries(10_000);
            scope.spawn(move || block_on(decide_often(&notes, task)));
        }
    });
    let log = block_on(super::courses::log(&store));
    assert_eq!(log.len(), 16 * 50);
    for (index, event) in log.iter().enumerate() {
        let seen = event.decode::<Noted>().unwrap().seen;
        let query = query(&seen);
        let before = log[..index].iter();
        let found = before.filter(|event| query.matches(&event.view())).count();
        assert_eq!(found as u64, seen.count, "event {index}: {seen:?}");
    }
    assert!(orders_differ(&log), "the tasks ran one after the other");
}

async fn decide_often(notes: &Repositories<MemoryStore>, task: u64) {
    let mut random = Random(task);
    for _ in 0..50 {
        let (a, b) = (random.below(4), random.below(4));
        let note = Note {
            a: random.below(4),
            b: (random.below(2) == 0).then(|| random.below(4)),
        };
        let done: Result<(), ExecuteError<()>> = match random.below(8) {
            0..3 => notes.execute(OfA::of(a), &note).await.map(drop),
            3..5 => notes.execute(OfB::of(b), &note).await.map(drop),
            5..7 => notes.execute(OfBoth::of(a, b), &note).await.map(drop),
            _ => notes.execute(OfAll::of(), &note).await.map(drop),
        };
        done.unwrap();
    }
}

fn query(seen: &Seen) -> Query {
    let mut item = QueryItem::new().name("random.noted");
    for (key, value) in [("a", seen.a), ("b", seen.b)] {
        if let Some(value) = value {
            item = item.tag(format!("{key}:{value}"));
        }
    }
    item.into()
}

/// Whether decisions of several tasks were between each other: consecutive events with other metadata.
fn orders_differ(log: &[RecordedEvent]) -> bool {
    log.windows(2).any(|pair| pair[0].stream != pair[1].stream)
}
