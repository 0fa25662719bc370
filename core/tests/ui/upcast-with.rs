//! What is wrong with a function that upcasts.

use midgard::Event;
use midgard::event::UpcastContext;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct V1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 2, upcast_from = V1, upcast_with = something_else)]
struct Returns {}

fn something_else(_: V1, _: &UpcastContext<'_>) -> String {
    String::new()
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 2, upcast_from = V1, upcast_with = without_context)]
struct Takes {}

fn without_context(_: V1) -> Takes {
    Takes {}
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", upcast_with = from_nothing)]
struct FromNothing {}

fn from_nothing(_: V1, _: &UpcastContext<'_>) -> FromNothing {
    FromNothing {}
}

fn main() {}
