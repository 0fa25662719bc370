//! With `apply = enum`, one function takes the whole enum: it is missing, then it forgets an event, and then it is there
//! beside one of a single event.

use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.opened")]
struct Opened {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.closed")]
struct Closed {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "account", id = u64, events(Opened, Closed), apply = enum)]
struct Account {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "other", id = u64, events(Opened, Closed), apply = enum)]
struct Other {}

impl Apply<OtherEvent> for Other {
    fn apply(&mut self, _: OtherEvent) {}
}

impl Apply<Opened> for Other {
    fn apply(&mut self, _: Opened) {}
}

fn main() {}
