//! The facade under another name, and behind another crate's re-export.
#![deny(warnings)]

extern crate midgard as renamed;

mod vendored {
    pub(crate) use renamed as midgard;
}

use renamed::{
    Aggregate, Apply, Context, Event, EventSet, HandlerError, Project, Projection, View, ViewKey,
};
use serde::{Deserialize, Serialize};

// What generated code would find, if it named `midgard` and not the path that it was given.
mod midgard {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", crate = renamed)]
struct CreatedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 2, upcast_from = CreatedV1, crate = crate::vendored::midgard)]
struct Created {
    #[event(tag = "name")]
    name: String,
}

impl From<CreatedV1> for Created {
    fn from(_: CreatedV1) -> Self {
        Created { name: String::new() }
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(Created), crate = crate::vendored::midgard)]
struct User {}

impl Apply<Created> for User {
    fn apply(&mut self, _: Created) {}
}

#[derive(EventSet)]
#[event_set(crate = renamed)]
enum All {
    Users(UserEvent),
}

#[derive(Serialize, Deserialize, ViewKey)]
#[view_key(crate = crate::vendored::midgard)]
struct Name(String);

#[derive(Serialize, Deserialize, ViewKey)]
#[view_key(crate = renamed)]
enum State {
    Active,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = name, index(state, ordered), index(both = (state, name)), crate = renamed)]
struct Row {
    name: Name,
    state: State,
}

#[derive(Projection)]
#[projection(
    name = "users",
    events(UserEvent),
    covers(All),
    views(Row),
    crate = crate::vendored::midgard
)]
struct Users;

impl Project<UserEvent> for Users {
    async fn project(
        &self,
        event: UserEvent,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let UserEvent::Created(Created { name }) = event;
        Ok(context.put(Row { name: Name(name), state: State::Active })?)
    }
}

fn main() {
    let _ = Row::by_state(State::Active);
    let event = Created { name: "ann".into() };
    User::default().apply_event(event.clone().into());
    assert_eq!(All::Users(event.into()).name(), "user.created");
}
