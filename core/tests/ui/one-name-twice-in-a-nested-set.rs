use midgard::{Event, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct Signup {}

#[derive(Debug, Clone, EventSet)]
enum Users {
    Created(UserCreated),
}

#[derive(Debug, Clone, EventSet)]
enum All {
    Signup(Signup),
    Users(Users),
}

fn main() {}
