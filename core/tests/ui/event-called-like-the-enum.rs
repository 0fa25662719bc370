use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.happened")]
struct UserEvent {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserEvent))]
struct User {}

impl Apply<UserEvent> for User {
    fn apply(&mut self, _: UserEvent) {}
}

fn main() {}
