//! Ids that are none.

use midgard::{Aggregate, AggregateId, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, AggregateId)]
struct Two(u64, u64);

#[derive(Debug, Clone, AggregateId)]
enum Either {
    Left(u64),
}

#[derive(Debug, Clone, AggregateId)]
struct Generic<T>(T);

#[derive(Debug, Clone, AggregateId)]
struct Misplaced(#[aggregate_id(crate = midgard)] u64);

#[derive(Debug, Clone, AggregateId)]
struct UserId(u64);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = UserId, events(UserCreated), apply = whole)]
struct User {}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

fn main() {}
