//! What is wrong with events that are read in the place of another.

use midgard::Event;
use midgard::event::{Split, SplitEvents, UpcastContext};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.registered")]
struct Registered {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", split_from(Registered))]
struct Created {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.email_set")]
struct EmailSet {}

impl Split for Registered {
    fn split(self, _: &UpcastContext<'_>) -> SplitEvents<Self> {
        let mut events = SplitEvents::new();
        events.push(Created {});
        events.push(EmailSet {});
        events
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.left")]
struct Left {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.gone", split_from(Left))]
struct Gone {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.registered", split_from(Registered))]
struct SameName {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 2, upcast_from = Created)]
struct Newer {}

impl From<Created> for Newer {
    fn from(_: Created) -> Self {
        Newer {}
    }
}

fn main() {}
