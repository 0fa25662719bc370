use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.renamed")]
struct UserRenamed {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserCreated))]
struct User {}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

impl Apply<UserRenamed> for User {
    fn apply(&mut self, _: UserRenamed) {}
}

fn main() {}
