use midgard::Event;
use serde::Serialize;

#[derive(Debug, Clone, Serialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

fn main() {}
