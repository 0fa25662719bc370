//! Nothing that a program calls like something of the prelude gets in the way of generated code.
#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub)]
#![forbid(unsafe_code)]
#![allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals
)]

pub mod shadowed {
    //! Everything that generated code could mean by a short name.

    use ::midgard::{
        Aggregate, Apply, DecisionModel, Event, EventSet, Inbox, ProcessManager, Projection,
        RemoteCommand, View, ViewKey,
    };

    // What the derives of serde and of std need is out of the way in a module of its own.
    mod events {
        use ::midgard::Event;
        use serde::{Deserialize, Serialize};

        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = "user.created")]
        pub(super) struct CreatedV1 {
            pub(super) name: String,
        }

        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = "other")]
        pub(super) struct Other {}

        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(super) struct Words(pub(super) Option<String>);

        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(super) struct Fields {
            pub(super) email: Option<String>,
        }
    }

    struct Option;
    struct Result;
    struct String;
    struct Vec;
    struct Box;
    struct u8;
    struct u16;
    struct u32;
    struct usize;
    struct str;
    struct bool;
    trait From {}
    trait Into {}
    trait TryFrom {}
    trait Clone {}
    trait Debug {}
    trait Default {}
    trait Send {}
    trait Sync {}
    trait Serialize {}
    trait Deserialize {}
    trait Serializer {}
    trait Deserializer {}
    trait FnOnce {}
    fn Some() {}
    fn None() {}
    fn Ok() {}
    fn Err() {}
    mod core {}
    mod std {}
    mod serde {}
    mod inventory {}
    mod midgard_macros {}
    trait Future {}
    trait ToString {}
    trait Display {}
    trait FromStr {}
    trait ToOwned {}
    struct Cow;
    struct Topic;
    struct Done;
    mod midgard {}
    const message: () = ();
    const command: () = ();
    const reply: () = ();
    const reason: () = ();
    const reactions: () = ();
    const recorded: () = ();
    const payload: () = ();
    const key: () = ();
    const bytes: () = ();
    const form: () = ();
    const row: () = ();
    const context: () = ();
    const event: () = ();
    const name: () = ();
    const version: () = ();
    const tags: () = ();
    const deserializer: () = ();
    const serializer: () = ();
    const other: () = ();
    const f: () = ();
    macro_rules! concat {
        () => {};
    }
    macro_rules! module_path {
        () => {};
    }
    concat!();
    module_path!();

    #[derive(::std::fmt::Debug, ::std::clone::Clone, Event)]
    #[event(name = "user.created", version = 2, upcast_from = events::CreatedV1)]
    #[publish(key = email)]
    struct Created {
        #[event(tag = "name")]
        name: ::std::string::String,
        #[event(tag = "email")]
        email: ::std::option::Option<::std::string::String>,
    }

    impl ::std::convert::From<events::CreatedV1> for Created {
        fn from(old: events::CreatedV1) -> Self {
            Created {
                name: old.name,
                email: ::std::option::Option::None,
            }
        }
    }

    impl ::serde::Serialize for Created {
        fn serialize<S: ::serde::Serializer>(
            &self,
            s: S,
        ) -> ::std::result::Result<S::Ok, S::Error> {
            events::Fields {
                email: self.email.clone(),
            }
            .serialize(s)
        }
    }

    impl<'de> ::serde::Deserialize<'de> for Created {
        fn deserialize<D: ::serde::Deserializer<'de>>(
            d: D,
        ) -> ::std::result::Result<Self, D::Error> {
            events::Fields::deserialize(d).map(|fields| Created {
                name: ::std::string::String::new(),
                email: fields.email,
            })
        }
    }

    #[derive(::std::fmt::Debug, ::std::default::Default, Aggregate)]
    #[aggregate(name = "user", id = u64, events(Created))]
    struct User {}

    impl Apply<Created> for User {
        fn apply(&mut self, _: Created) {}
    }

    #[derive(DecisionModel)]
    #[decision(events(Created))]
    struct UserName {
        #[decision(tag = "name")]
        text: ::std::string::String,
        #[decision(tag)]
        email: ::std::string::String,
        is_taken: ::std::primitive::bool,
    }

    impl Apply<Created> for UserName {
        fn apply(&mut self, _: Created) {
            self.is_taken = true;
        }
    }

    #[derive(EventSet)]
    enum All {
        Error(Created),
    }

    #[derive(ViewKey)]
    enum State {
        None,
        Some,
    }

    #[derive(ViewKey)]
    struct Place {
        country: ::std::string::String,
        city: ::std::string::String,
    }

    #[derive(View)]
    #[view(
        key = (id, name),
        index(email, unique, ordered),
        index(state),
        index(place, ordered),
        index(both = (email, id), ordered)
    )]
    struct Row {
        id: u64,
        name: ::std::string::String,
        email: ::std::option::Option<::std::string::String>,
        state: State,
        place: Place,
    }

    impl ::serde::Serialize for Row {
        fn serialize<S: ::serde::Serializer>(
            &self,
            s: S,
        ) -> ::std::result::Result<S::Ok, S::Error> {
            events::Fields {
                email: self.email.clone(),
            }
            .serialize(s)
        }
    }

    impl<'de> ::serde::Deserialize<'de> for Row {
        fn deserialize<D: ::serde::Deserializer<'de>>(
            d: D,
        ) -> ::std::result::Result<Self, D::Error> {
            events::Fields::deserialize(d).map(|fields| Row {
                id: 0,
                name: ::std::string::String::new(),
                email: fields.email,
                state: State::None,
                place: Place {
                    country: ::std::string::String::new(),
                    city: ::std::string::String::new(),
                },
            })
        }
    }

    #[derive(Projection)]
    #[projection(
        name = "users",
        events(UserEvent),
        ignore(events::Other),
        covers(All),
        views(Row)
    )]
    struct Users;

    impl ::midgard::Project<UserEvent> for Users {
        async fn project(
            &self,
            _: UserEvent,
            _: &mut ::midgard::Context<'_, Self>,
        ) -> ::std::result::Result<(), ::midgard::HandlerError> {
            ::std::result::Result::Ok(())
        }
    }

    #[derive(::std::fmt::Debug, ::std::clone::Clone, RemoteCommand)]
    #[remote_command(name = "user.create", service = "users", version = 2, upcast_from = CreateV1, key = name)]
    struct Create {
        name: ::std::option::Option<::std::string::String>,
    }

    #[derive(::std::fmt::Debug, ::std::clone::Clone, RemoteCommand)]
    #[remote_command(name = "user.create", service = "users")]
    struct CreateV1(events::Words);

    impl ::std::convert::From<CreateV1> for Create {
        fn from(old: CreateV1) -> Self {
            Create { name: (old.0).0 }
        }
    }

    impl ::serde::Serialize for CreateV1 {
        fn serialize<S: ::serde::Serializer>(
            &self,
            s: S,
        ) -> ::std::result::Result<S::Ok, S::Error> {
            self.0.serialize(s)
        }
    }

    impl<'de> ::serde::Deserialize<'de> for CreateV1 {
        fn deserialize<D: ::serde::Deserializer<'de>>(
            d: D,
        ) -> ::std::result::Result<Self, D::Error> {
            events::Words::deserialize(d).map(CreateV1)
        }
    }

    impl ::serde::Serialize for Create {
        fn serialize<S: ::serde::Serializer>(
            &self,
            s: S,
        ) -> ::std::result::Result<S::Ok, S::Error> {
            events::Words(self.name.clone()).serialize(s)
        }
    }

    impl<'de> ::serde::Deserialize<'de> for Create {
        fn deserialize<D: ::serde::Deserializer<'de>>(
            d: D,
        ) -> ::std::result::Result<Self, D::Error> {
            events::Words::deserialize(d).map(|words| Create { name: words.0 })
        }
    }

    #[derive(Inbox)]
    #[inbox(name = "users", events(UserEvent, events::Other), commands(Create))]
    struct Received;

    impl ::midgard::Subscribe<UserEvent> for Received {
        async fn receive(
            &self,
            _: UserEvent,
            _: &mut ::midgard::MessageContext<'_>,
        ) -> ::std::result::Result<(), ::midgard::HandlerError> {
            ::std::result::Result::Ok(())
        }
    }

    impl ::midgard::Subscribe<events::Other> for Received {
        async fn receive(
            &self,
            _: events::Other,
            _: &mut ::midgard::MessageContext<'_>,
        ) -> ::std::result::Result<(), ::midgard::HandlerError> {
            ::std::result::Result::Ok(())
        }
    }

    impl ::midgard::Handle<Create> for Received {
        async fn handle(
            &self,
            _: Create,
            _: &mut ::midgard::MessageContext<'_>,
        ) -> ::std::result::Result<::midgard::Done, ::midgard::HandlerError> {
            ::std::result::Result::Ok(::midgard::Done {})
        }
    }

    #[derive(::std::default::Default, ProcessManager)]
    #[process_manager(
        name = "welcome",
        id = u64,
        events(UserEvent),
        commands(Create),
        deadlines(events::Other)
    )]
    struct Welcome {}

    impl ::midgard::React<UserEvent> for Welcome {
        fn process(
            _: &UserEvent,
            _: &::midgard::event::RecordedEventRef<'_>,
        ) -> ::std::option::Option<u64> {
            ::std::option::Option::None
        }

        fn react(&mut self, _: UserEvent, _: &mut ::midgard::Reactions<Self>) {}
    }

    impl ::midgard::Resolve<Create> for Welcome {
        fn replied(&mut self, _: Create, _: ::midgard::Done, _: &mut ::midgard::Reactions<Self>) {}

        fn refused(
            &mut self,
            _: Create,
            _: &::std::primitive::str,
            _: &mut ::midgard::Reactions<Self>,
        ) {
        }
    }

    impl ::midgard::Expire<events::Other> for Welcome {
        fn expired(&mut self, _: events::Other, _: &mut ::midgard::Reactions<Self>) {}
    }

    struct Methods;

    #[::midgard::inbox(name = "methods", events(events::Other))]
    impl Methods {
        async fn other(
            &self,
            _: events::Other,
            _: &mut ::midgard::MessageContext<'_>,
        ) -> ::midgard::HandlerResult {
            ::std::result::Result::Ok(())
        }
    }

    #[derive(::std::default::Default)]
    struct Functions {}

    #[::midgard::process_manager(
        name = "functions",
        id = u64,
        events(UserEvent),
        commands(Create),
        deadlines(events::Other)
    )]
    impl Functions {
        fn of_event(_: &UserEvent) -> ::std::option::Option<u64> {
            ::std::option::Option::None
        }

        fn event(&mut self, _: UserEvent, _: &mut ::midgard::Reactions<Self>) {}

        fn replied(&mut self, _: Create, _: ::midgard::Done, _: &mut ::midgard::Reactions<Self>) {}

        fn refused(
            &mut self,
            _: Create,
            _: &::std::primitive::str,
            _: &mut ::midgard::Reactions<Self>,
        ) {
        }

        fn other(&mut self, _: events::Other, _: &mut ::midgard::Reactions<Self>) {}
    }
}

pub(crate) fn main() {}
