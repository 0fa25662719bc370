//! Types, paths and names that come out of `macro_rules!`, in their invisible groups.
#![deny(warnings)]

use midgard::event::RecordedEventRef;
use midgard::view::Select;
use midgard::{
    Aggregate, Apply, Context, Event, Expire, Handle, HandlerError, Inbox, MessageContext,
    ProcessManager, Project, Projection, React, Reactions, RemoteCommand, Resolve, Subscribe, View,
    ViewKey,
};
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
                $event {
                    id: Default::default(),
                }
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

aggregate!(
    Created,
    crate::in_macro_rules::CreatedV1,
    Created,
    "user.created",
    2,
    u64,
    "id"
);

macro_rules! read_model {
    (
        $key:ident, $($listed:ty),* => $view:ident, $viewed:ty, $name:literal, $version:literal,
        $field:ident, $number:ident: $ty:ty, $variant:ident
    ) => {
        #[derive(Serialize, Deserialize, ViewKey)]
        struct $key($ty);

        #[derive(Serialize, Deserialize, ViewKey)]
        enum State {
            $variant,
        }

        #[derive(Serialize, Deserialize, View)]
        #[view(name = $name, key = $field, index($number), index(both = ($field, $number), ordered))]
        struct $view {
            $field: $key,
            $number: $ty,
            state: State,
        }

        #[derive(Projection)]
        #[projection(name = $name, version = $version, events($($listed),*), views($viewed))]
        struct Users;

        $(
            impl Project<$listed> for Users {
                async fn project(
                    &self,
                    _: $listed,
                    context: &mut Context<'_, Self>,
                ) -> Result<(), HandlerError> {
                    let row = $view { $field: $key(1), $number: 2, state: State::$variant };
                    Ok(context.put(row)?)
                }
            }
        )*
    };
}

read_model!(Id, crate::in_macro_rules::Created => Row, crate::in_macro_rules::Row, "users", 2, id, number: u64, Active);

// rustfmt would indent its attributes further each time.
#[rustfmt::skip]
macro_rules! messages {
    (
        $command:ident, $sent:ty, $replied:ty, $listed:ty, $id:ty, $name:literal, $service:literal,
        $version:literal, $old:path, $field:ident, $deadline:ty
    ) => {
        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = "user.invited")]
        #[publish(key = $field)]
        struct Invited {
            $field: $id,
        }

        #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
        #[remote_command(
            name = $name,
            service = $service,
            version = $version,
            upcast_from = $old,
            key = $field,
            reply = $replied
        )]
        struct $command {
            $field: $id,
        }

        impl From<$old> for $command {
            fn from(old: $old) -> Self {
                $command { $field: old.$field }
            }
        }

        #[derive(Inbox)]
        #[inbox(name = $service, events($listed), commands($sent))]
        struct Received;

        impl Subscribe<$listed> for Received {
            async fn receive(
                &self,
                _: $listed,
                _: &mut MessageContext<'_>,
            ) -> Result<(), HandlerError> {
                Ok(())
            }
        }

        impl Handle<$sent> for Received {
            async fn handle(
                &self,
                command: $sent,
                _: &mut MessageContext<'_>,
            ) -> Result<$replied, HandlerError> {
                let $command { $field } = command;
                Ok(Invited { $field })
            }
        }

        #[derive(Default, ProcessManager)]
        #[process_manager(
            name = $service,
            id = $id,
            events($listed),
            commands($sent),
            deadlines($deadline)
        )]
        struct Inviting;

        impl React<$listed> for Inviting {
            fn process(event: &$listed, _: &RecordedEventRef<'_>) -> Option<$id> {
                Some(event.id)
            }

            fn react(&mut self, event: $listed, reactions: &mut Reactions<Self>) {
                reactions.send(&$command { $field: event.id });
            }
        }

        impl Resolve<$sent> for Inviting {
            fn replied(&mut self, _: $sent, _: $replied, _: &mut Reactions<Self>) {}

            fn refused(&mut self, _: $sent, _: &str, _: &mut Reactions<Self>) {}
        }

        impl Expire<$deadline> for Inviting {
            fn expired(&mut self, _: $deadline, _: &mut Reactions<Self>) {}
        }
    };
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "user.invite", service = "users", reply = Invited)]
struct InviteV1 {
    user: u64,
}

messages!(
    Invite,
    Invite,
    Invited,
    Created,
    u64,
    "user.invite",
    "users",
    2,
    crate::in_macro_rules::InviteV1,
    user,
    CreatedV1
);

pub(crate) fn main() {
    assert_eq!((Invite::NAME, Invite::VERSION), ("user.invite", 2));
    assert_eq!(Invite { user: 4 }.key().as_deref(), Some("4"));
    assert_eq!(Received::topics().len(), 2);
    let _: Select<Row> = Row::by_number(2);
    let _ = UserEvent::Created(Created { id: 1 });
}
