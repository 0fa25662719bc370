//! A view of the appended events.

use super::pings::Pinged;
use midgard::{Context, HandlerError, Project, Projection, View};
use serde::{Deserialize, Serialize};

/// A row for each event.
#[derive(Debug, Serialize, Deserialize, View)]
#[view(key = number)]
pub(super) struct Pong {
    number: u64,
}

#[derive(Projection)]
#[projection(name = "pongs", events(Pinged), views(Pong))]
pub(super) struct Pongs;

impl Project<Pinged> for Pongs {
    async fn project(
        &self,
        event: Pinged,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let number = event.number;
        Ok(context.put(Pong { number })?)
    }
}
