use midgard::Event;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "a.created", version = 0)]
struct Zero {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "b.created", version = -1)]
struct Negative {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "c.created", version = 4294967296)]
struct TooLarge {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "d.created", version = "2")]
struct Text {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "e.created", version = 2)]
struct NoUpcast {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "f.created", upcast_from = NoUpcast)]
struct NoVersion {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "g.created", version = 1, upcast_from = NoUpcast)]
struct First {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "h.created", version = 2, upcast_from = FromItself)]
struct FromItself {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "i.created", version = 2, upcast_from = "V1")]
struct PathIsText {}

fn main() {}
