use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.changed")]
struct Changed<T> {
    to: T,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(Changed<String>))]
struct User {}

impl Apply<Changed<String>> for User {
    fn apply(&mut self, _: Changed<String>) {}
}

fn main() {}
