use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct V1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.made", version = 2, upcast_from = V1)]
struct V2 {}

impl From<V1> for V2 {
    fn from(_: V1) -> Self {
        V2 {}
    }
}

fn main() {}
