use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(id = u64, events(UserCreated))]
struct Missing {}

impl Apply<UserCreated> for Missing {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "", id = u64, events(UserCreated))]
struct Empty {}

impl Apply<UserCreated> for Empty {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user-account", id = u64, events(UserCreated))]
struct Dash {}

impl Apply<UserCreated> for Dash {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "User", id = u64, events(UserCreated))]
struct Uppercase {}

impl Apply<UserCreated> for Uppercase {
    fn apply(&mut self, _: UserCreated) {}
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", id = u64, events(UserCreated))]
struct Long {}

impl Apply<UserCreated> for Long {
    fn apply(&mut self, _: UserCreated) {}
}

fn main() {}
