//! Many tasks decide at once, and a replay of the log finds each decision right.

use crate::numbers::Random;
use midgard::repository::{ExecuteError, Repositories};
use midgard::store::{Query, QueryItem};
use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, block_on, events};
use serde::{Deserialize, Serialize};
use std::sync::Barrier;
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

const TASKS: u64 = 16;

#[test]
fn every_decision_saw_all_that_its_query_finds_before_it() {
    let (store, together) = (MemoryStore::new(), Barrier::new(TASKS as usize));
    thread::scope(|scope| {
        for task in 0..TASKS {
            let notes = Repositories::new(store.clone()).with_retries(10_000);
            let together = &together;
            scope.spawn(move || block_on(decide_often(&notes, task, together)));
        }
    });
    let log = block_on(super::courses::log(&store));
    assert_eq!(log.len() as u64, TASKS * 50);
    for (index, event) in log.iter().enumerate() {
        let seen = event.decode::<Noted>().unwrap().seen;
        let query = query(&seen);
        let before = log[..index].iter();
        let found = before.filter(|event| query.matches(&event.view())).count();
        assert_eq!(found as u64, seen.count, "event {index}: {seen:?}");
    }
}

/// Decides each time when all others do.
async fn decide_often(notes: &Repositories<MemoryStore>, task: u64, together: &Barrier) {
    let mut random = Random(task);
    for _ in 0..50 {
        let mut tag = || random.below(4) as u32;
        let (a, b, of_event, other) = (tag(), tag(), tag(), tag());
        let note = Note {
            a: of_event,
            b: (random.below(2) == 0).then_some(other),
        };
        together.wait();
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
