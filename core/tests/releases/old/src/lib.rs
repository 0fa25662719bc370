//! Events of a crate that has two releases, which one program may use both.

use midgard::{Aggregate, Apply, Event};
use serde::{Deserialize, Serialize};

/// A parcel was sent.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "parcel.sent")]
pub struct Sent {}

/// A parcel.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "parcel", id = u64, events(Sent))]
pub struct Parcel;

impl Apply<Sent> for Parcel {
    fn apply(&mut self, _: Sent) {}
}
