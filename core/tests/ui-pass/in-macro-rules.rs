//! Types, paths and names that come out of `macro_rules!`, in their invisible groups.
#![deny(warnings)]

use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

macro_rules! aggregate {
    ($event:ident, $old:path, $listed:ty, $name:literal, $version:literal, $id:ty, $tag:expr) => {
        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = $name, version = $version, upcast_from = $old)]
        struct $event {
            #[event(tag = $tag)]
            id: $id,
        }

        impl From<$old> for $event {
            fn from(_: $old) -> Self {
                $event { id: Default::default() }
            }
        }

        #[derive(Debug, Default, Aggregate)]
        #[aggregate(name = "user", id = $id, events($listed))]
        struct User {}

        impl Apply<$listed> for User {
            fn apply(&mut self, _: $listed) {}
        }
    };
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct CreatedV1 {}

aggregate!(Created, crate::CreatedV1, Created, "user.created", 2, u64, "id");

fn main() {
    let _ = UserEvent::Created(Created { id: 1 });
}
