//! The facade under another name, and behind another crate's re-export.
#![deny(warnings)]

pub(crate) extern crate midgard as renamed;

mod vendored {
    pub(crate) use super::renamed as midgard;
}

use renamed::aggregate::Fold as _;
use renamed::event::RecordedEventRef;
use renamed::outbox::Publish as _;
use renamed::{
    Aggregate, Apply, Context, DecisionModel, Done, Event, EventSet, Expire, Handle, HandlerError,
    Inbox, MessageContext, ProcessManager, Project, Projection, React, Reactions, RemoteCommand,
    Resolve, Subscribe, View, ViewKey,
};
use serde::{Deserialize, Serialize};

// What generated code would find, if it named `midgard` and not the path that it was given.
mod midgard {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", crate = renamed)]
struct CreatedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created", version = 2, upcast_from = CreatedV1, crate = crate::renamed_crate::vendored::midgard)]
#[publish(key = name)]
struct Created {
    #[event(tag = "name")]
    name: String,
}

impl From<CreatedV1> for Created {
    fn from(_: CreatedV1) -> Self {
        Created {
            name: String::new(),
        }
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(Created), crate = crate::renamed_crate::vendored::midgard)]
struct User {}

impl Apply<Created> for User {
    fn apply(&mut self, _: Created) {}
}

#[derive(DecisionModel)]
#[decision(events(Created), crate = crate::renamed_crate::vendored::midgard)]
struct UserName {
    #[decision(tag)]
    name: String,
}

impl Apply<Created> for UserName {
    fn apply(&mut self, _: Created) {}
}

#[derive(EventSet)]
#[event_set(crate = renamed)]
enum All {
    Users(UserEvent),
}

#[derive(Serialize, Deserialize, ViewKey)]
#[view_key(crate = crate::renamed_crate::vendored::midgard)]
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
    crate = crate::renamed_crate::vendored::midgard
)]
struct Users;

impl Project<UserEvent> for Users {
    async fn project(
        &self,
        event: UserEvent,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let UserEvent::Created(Created { name }) = event;
        Ok(context.put(Row {
            name: Name(name),
            state: State::Active,
        })?)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.create", service = "users", crate = crate::renamed_crate::vendored::midgard)]
struct CreateV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(
    name = "user.create",
    service = "users",
    version = 2,
    upcast_from = CreateV1,
    crate = crate::renamed_crate::vendored::midgard
)]
struct Create {}

impl From<CreateV1> for Create {
    fn from(_: CreateV1) -> Self {
        Create {}
    }
}

#[derive(Inbox)]
#[inbox(name = "users", events(UserEvent), commands(Create), crate = crate::renamed_crate::vendored::midgard)]
struct Received;

impl Subscribe<UserEvent> for Received {
    async fn receive(&self, _: UserEvent, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Handle<Create> for Received {
    async fn handle(&self, _: Create, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

#[derive(Default, ProcessManager)]
#[process_manager(
    name = "welcome",
    id = u64,
    events(UserEvent),
    commands(Create),
    deadlines(CreatedV1),
    crate = renamed
)]
struct Welcome {}

impl React<UserEvent> for Welcome {
    fn process(_: &UserEvent, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: UserEvent, _: &mut Reactions<Self>) {}
}

impl Resolve<Create> for Welcome {
    fn replied(&mut self, _: Create, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: Create, _: &str, _: &mut Reactions<Self>) {}
}

impl Expire<CreatedV1> for Welcome {
    fn expired(&mut self, _: CreatedV1, _: &mut Reactions<Self>) {}
}

pub(crate) fn main() {
    assert_eq!(Create::SERVICE, Received::NAME);
    assert!(Welcome::SENDS && Created::HAS_KEY);
    let _ = Row::by_state(State::Active);
    let event = Created { name: "ann".into() };
    User::default().apply_event(event.clone().into());
    assert_eq!(All::Users(event.into()).name(), "user.created");
}
