use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Clone, Copy, Event)]
#[event(name = "user.changed")]
union UserChanged {
    name: u8,
}

#[derive(Clone, Copy, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserCreated))]
union User {
    name: u8,
}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

fn main() {}
