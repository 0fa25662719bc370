use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct V1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = "2", upcast_from = V1)]
struct V2 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 3, upcast_from = V2)]
struct V3 {}

impl From<V1> for V2 {
    fn from(_: V1) -> Self {
        V2 {}
    }
}

impl From<V2> for V3 {
    fn from(_: V2) -> Self {
        V3 {}
    }
}

fn main() {}
