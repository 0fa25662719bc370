//! Decision models in all their forms.

use midgard::aggregate::Fold as _;
use midgard::store::QueryItem;
use midgard::{Apply, DecisionModel, Event};
use serde::{Deserialize, Serialize};

pub mod events {
    use super::*;

    pub type Names = Option<Vec<String>>;

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "room.booked")]
    pub struct Booked {
        #[event(tag = "room")]
        pub rooms: Vec<u32>,
        // What an alias stands for counts, not how it is written.
        #[event(tag = "name")]
        pub names: Names,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "room.type")]
    pub struct Type(#[event(tag = "type")] pub u32);
}

/// A tuple struct: the keys of its tags are given.
#[derive(DecisionModel)]
#[decision(events(events::Booked))]
pub struct Bookings(
    #[decision(tag = "room")] u32,
    u64,
    #[decision(tag = "name")] String,
);

impl Apply<events::Booked> for Bookings {
    fn apply(&mut self, _: events::Booked) {
        self.1 += 1;
    }
}

/// Raw identifiers, other names, one function for all.
#[derive(DecisionModel)]
#[decision(events(Kind = events::Type), event_enum = Facts, apply = enum)]
pub(crate) struct Types {
    #[decision(tag)]
    r#type: u32,
    seen: bool,
}

impl Apply<Facts> for Types {
    fn apply(&mut self, event: Facts) {
        let Facts::Kind(events::Type(_)) = event;
        self.seen = true;
    }
}

/// No fields at all.
#[derive(DecisionModel)]
#[decision(all, events(events::Type))]
struct Any;

impl Apply<events::Type> for Any {
    fn apply(&mut self, _: events::Type) {}
}

pub fn main() {
    let mut bookings = Bookings::of(7, "ann".to_owned());
    bookings.apply_event(
        events::Booked {
            rooms: vec![7],
            names: None,
        }
        .into(),
    );
    assert_eq!(bookings.1, 1);
    assert_eq!(
        bookings.items(),
        [QueryItem::new()
            .name("room.booked")
            .tag("room:7")
            .tag("name:ann")]
    );

    let mut types = Types::of(3);
    types.apply_event(events::Type(3).into());
    assert!(types.seen);
    assert_eq!(
        types.items(),
        [QueryItem::new().name("room.type").tag("type:3")]
    );
    assert_eq!(Any::of().items(), [QueryItem::new().name("room.type")]);
    // A literal is as good.
    let literal = Types {
        r#type: 3,
        seen: false,
    };
    assert_eq!(literal.items(), types.items());
}
