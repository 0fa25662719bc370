//! What both releases write: their effects, as events of the same log.

use midgard::{Aggregate, Apply, Command, Event, Events, events};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// Something that followed from an order, and is to follow once.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "effect.done")]
pub(crate) struct Done {
    /// Who did it: `picked`, `heard`, `answered` or `voided`.
    pub(crate) what: String,
    pub(crate) order: u64,
    /// Which of the events of the order it is of.
    pub(crate) number: u64,
}

/// The effects of one kind, of one order.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "effects", id = String, events(Done))]
pub(crate) struct Effects {
    done: u64,
}

impl Apply<Done> for Effects {
    fn apply(&mut self, _: Done) {
        self.done += 1;
    }
}

#[derive(Debug)]
pub(crate) struct Do {
    pub(crate) what: &'static str,
    pub(crate) order: u64,
    pub(crate) number: u64,
}

impl Do {
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.what, self.order)
    }
}

impl Command<Effects> for Do {
    type Error = Infallible;

    fn decide(&self, _: &Effects) -> Result<Events<Effects>, Infallible> {
        let (what, order, number) = (self.what.to_owned(), self.order, self.number);
        Ok(events![Done {
            what,
            order,
            number
        }])
    }
}
