//! A view of what was appended.

use super::pings::Pinged;
use midgard::projection::{Keeps, ProjectError};
use midgard::view::{KeyBytes, ViewDefinition, ViewIndex};
use midgard::{
    Context, Event, EventDescriptor, HandlerError, Project, Projection, RecordedEventRef, View,
    ViewKey, Views,
};
use serde::{Deserialize, Serialize};

/// A row for each event.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Pong {
    number: u64,
}

impl View for Pong {
    const NAME: &'static str = "pong";
    const INDEXES: &'static [ViewIndex<Self>] = &[];
    type Key = u64;

    fn encode_key(&self, bytes: &mut KeyBytes) {
        self.number.encode(bytes);
    }

    fn describe(form: &mut String) {
        form.push_str("number: u64");
    }
}

pub(super) struct Pongs;

impl Projection for Pongs {
    const NAME: &'static str = "pongs";
    const VERSION: u32 = 1;
    const EVENTS: &'static [&'static EventDescriptor] = &[Pinged::DESCRIPTOR];
    type Store = Views;

    fn views() -> Vec<ViewDefinition> {
        vec![ViewDefinition::of::<Pong>()]
    }

    async fn project_event(
        &self,
        event: &RecordedEventRef<'_>,
        context: &mut Context<'_, Self>,
    ) -> Result<(), ProjectError> {
        let projected = self.project(event.decode()?, context).await;
        projected.map_err(ProjectError::Handler)
    }
}

impl Keeps<Pong> for Pongs {}

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
