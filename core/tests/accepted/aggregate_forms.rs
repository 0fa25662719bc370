//! The forms that an aggregate, an event and a set may have.
#![deny(warnings)]

use midgard::aggregate::Fold as _;
use midgard::{Aggregate, Apply, Event, EventSet};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "door.opened")]
struct Opened;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "door.closed")]
struct Closed(#[event(tag = "by")] String, u8);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "door.r", crate = midgard)]
struct r#Type {
    #[event(tag = "kind")]
    r#type: String,
}

/// An aggregate may be an enum of its states.
#[derive(Debug, Default, PartialEq, Aggregate)]
#[aggregate(name = "door", id = u64)]
#[aggregate(events(Opened, Shut = Closed, r#Type,))]
enum Door {
    #[default]
    Shut,
    Open,
}

impl Apply<Opened> for Door {
    fn apply(&mut self, _: Opened) {
        *self = Door::Open;
    }
}

impl Apply<Closed> for Door {
    fn apply(&mut self, _: Closed) {
        *self = Door::Shut;
    }
}

impl Apply<r#Type> for Door {
    fn apply(&mut self, _: r#Type) {}
}

#[derive(EventSet)]
enum All {
    Doors(DoorEvent),
    Order(midgard_test_events::OrderPlaced),
}

pub(crate) fn main() {
    // Inside a function there is no place for the free test, and no warning about it.
    #[derive(Debug, Default, Aggregate)]
    #[aggregate(name = "inner", id = u64, events(Opened))]
    struct Inner;

    impl Apply<Opened> for Inner {
        fn apply(&mut self, _: Opened) {}
    }
    Inner.apply_event(Opened.into());

    let mut door = Door::default();
    door.apply_event(Opened.into());
    assert_eq!(door, Door::Open);
    door.apply_event(DoorEvent::Shut(Closed("ann".into(), 1)));
    assert_eq!(door, Door::Shut);
    let event = All::from(DoorEvent::from(r#Type {
        r#type: "oak".into(),
    }));
    assert_eq!((event.name(), All::DESCRIPTORS.len()), ("door.r", 4));
}
