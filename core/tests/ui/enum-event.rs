use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.changed")]
enum UserChanged {
    Name(String),
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserChanged))]
struct User {}

impl Apply<UserChanged> for User {
    fn apply(&mut self, _: UserChanged) {}
}

fn main() {}
