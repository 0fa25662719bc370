//! Raw identifiers, wherever an attribute or a derived type may have one.
#![allow(non_camel_case_types)]

use midgard::event::RecordedEventRef;
use midgard::outbox::Publish;
use midgard::{
    Aggregate, Apply, Context, Done, Event, EventSet, Expire, Handle, HandlerError, Inbox,
    MessageContext, ProcessManager, Project, Projection, React, Reactions, RemoteCommand, Resolve,
    Subscribe, View, ViewKey,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "old")]
struct r#yield {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "old", version = 2, upcast_from = r#yield)]
#[publish(key = r#type)]
struct r#struct {
    #[event(tag = "type")]
    r#type: String,
    r#match: Option<u8>,
}

impl From<r#yield> for r#struct {
    fn from(_: r#yield) -> Self {
        r#struct {
            r#type: String::new(),
            r#match: None,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "other")]
struct r#enum(u8);

#[derive(Debug, Clone, EventSet)]
enum r#fn {
    r#struct(r#struct),
    r#enum(r#enum),
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(r#struct, r#loop = r#enum))]
struct r#type {
    r#for: u8,
}

impl Apply<r#struct> for r#type {
    fn apply(&mut self, _: r#struct) {}
}

impl Apply<r#enum> for r#type {
    fn apply(&mut self, event: r#enum) {
        self.r#for = event.0;
    }
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "other", id = u64, events(r#enum), event_enum = r#while)]
struct Other {}

impl Apply<r#enum> for Other {
    fn apply(&mut self, _: r#enum) {}
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
struct r#use {
    r#mod: u8,
    r#as: r#in,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ViewKey)]
enum r#in {
    r#let,
    r#ref,
}

#[derive(Debug, Serialize, Deserialize, View)]
#[view(
    key = (r#type, r#match),
    index(r#type, ordered),
    index(r#match, unique),
    index(r#move = (r#match, r#type), ordered),
    index(key = (r#use))
)]
struct r#impl {
    r#type: String,
    r#match: u8,
    r#use: r#use,
}

#[derive(Projection)]
#[projection(
    name = "rows",
    events(r#struct),
    ignore(r#enum),
    covers(r#fn),
    views(r#impl)
)]
struct r#trait;

impl Project<r#struct> for r#trait {
    async fn project(&self, _: r#struct, _: &mut Context<'_, Self>) -> Result<(), HandlerError> {
        Ok(())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "do", service = "inbox", key = r#type)]
struct r#do {
    r#type: String,
}

#[derive(Inbox)]
#[inbox(name = "inbox", events(r#struct), commands(r#do))]
struct r#static;

impl Subscribe<r#struct> for r#static {
    async fn receive(&self, _: r#struct, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Handle<r#do> for r#static {
    async fn handle(&self, _: r#do, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

#[derive(Debug, Default, ProcessManager)]
#[process_manager(name = "process", id = u64, events(r#struct), commands(r#do), deadlines(r#enum))]
struct r#async {}

impl React<r#struct> for r#async {
    fn process(_: &r#struct, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: r#struct, _: &mut Reactions<Self>) {}
}

impl Resolve<r#do> for r#async {
    fn replied(&mut self, _: r#do, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: r#do, _: &str, _: &mut Reactions<Self>) {}
}

impl Expire<r#enum> for r#async {
    fn expired(&mut self, _: r#enum, _: &mut Reactions<Self>) {}
}

pub(crate) fn main() {
    let event = r#struct {
        r#type: "a".to_owned(),
        r#match: None,
    };
    assert_eq!(Publish::key(&event).as_deref(), Some("a"));
    let _: typeEvent = event.clone().into();
    let _ = r#while::r#enum(r#enum(1));
    let _ = (r#fn::from(event), r#trait, r#static);
    let _ = r#impl::by_type("a");
    let _ = r#impl::by_type_range("a"..);
    let _ = r#impl::ordered_by_type();
    let _ = r#impl::by_match(7);
    let _ = r#impl::by_move((7, "a"));
    let _ = r#impl::ordered_by_move();
    let _ = r#impl::by_key(r#use {
        r#mod: 1,
        r#as: r#in::r#let,
    });
    let _ = r#in::r#ref;
}
