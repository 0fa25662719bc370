use midgard::{Event, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Clone, EventSet)]
enum Generic<T: Event> {
    One(T),
}

#[derive(Debug, Clone, EventSet)]
enum Variants {
    Good(UserCreated),
    Unit,
    Two(UserCreated, UserCreated),
    Named { event: UserCreated },
}

#[derive(Debug, Clone, EventSet)]
enum Empty {}

#[derive(Debug, Clone, EventSet)]
struct Struct {
    event: UserCreated,
}

#[derive(Debug, Clone, EventSet)]
enum NotAnEvent {
    Good(UserCreated),
    Text(String),
}

#[derive(Debug, Clone, EventSet)]
enum Twice {
    One(UserCreated),
    Two(UserCreated),
}

#[derive(Debug, Clone, EventSet)]
#[event_set(name = "users")]
enum Attribute {
    One(UserCreated),
}

#[derive(Debug, Clone, EventSet)]
enum Misplaced {
    #[event_set(crate = midgard)]
    One(UserCreated),
}

fn main() {
    let _ = Variants::from(UserCreated {}).name();
    let _ = Misplaced::from(UserCreated {}).name();
}
