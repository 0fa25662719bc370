//! A `match` that lacks an event does not compile either.

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

impl Apply<AccountEvent> for Account {
    fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::Opened(_) => {}
        }
    }
}

fn main() {}
