//! What is generated is as visible as the type it is generated for, and private types stay private.
#![deny(warnings, missing_docs, unreachable_pub)]

mod users {
    //! Nested modules.

    pub(crate) mod event {
        use midgard::Event;
        use serde::{Deserialize, Serialize};

        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = "user.created")]
        pub(crate) struct Created {}

        #[derive(Debug, Clone, Serialize, Deserialize, Event)]
        #[event(name = "user.renamed")]
        pub(crate) struct Renamed {}
    }

    use midgard::{Aggregate, Apply, View, ViewKey};
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, ViewKey)]
    pub(super) struct City(pub(super) String);

    #[derive(Serialize, Deserialize, View)]
    #[view(key = id, index(city, ordered), index(hidden, ordered))]
    pub(super) struct Row {
        pub(super) id: u64,
        city: City,
        hidden: private::Hidden,
    }

    #[derive(Debug, Default, Aggregate)]
    #[aggregate(name = "user", id = u64, events(event::Created, Changed = self::event::Renamed))]
    pub(super) struct User {}

    impl Apply<event::Created> for User {
        fn apply(&mut self, _: event::Created) {}
    }

    impl Apply<event::Renamed> for User {
        fn apply(&mut self, _: event::Renamed) {}
    }

    pub(super) fn renamed() -> UserEvent {
        event::Renamed {}.into()
    }

    mod private {
        use super::event::Created;
        use midgard::view::Select;
        use midgard::{
            Aggregate, Apply, Context, HandlerError, Project, Projection, View, ViewKey,
        };
        use serde::{Deserialize, Serialize};

        #[derive(Serialize, Deserialize, ViewKey)]
        pub(super) struct Hidden(u64);

        #[derive(Serialize, Deserialize, View)]
        #[view(key = id, index(hidden))]
        struct Private {
            id: u64,
            hidden: Hidden,
        }

        #[derive(Projection)]
        #[projection(name = "private", events(Created), views(Private, super::Row))]
        struct Privately;

        impl Project<Created> for Privately {
            async fn project(
                &self,
                _: Created,
                context: &mut Context<'_, Self>,
            ) -> Result<(), HandlerError> {
                context.remove::<super::Row>(7)?;
                Ok(context.put(Private {
                    id: 7,
                    hidden: Hidden(1),
                })?)
            }
        }

        #[allow(dead_code)]
        fn selected() -> Select<Private> {
            Private::by_hidden(Hidden(1))
        }

        #[derive(Debug, Default, Aggregate)]
        #[aggregate(name = "inner", id = u64, events(Created), event_enum = Facts)]
        struct Inner;

        impl Apply<Created> for Inner {
            fn apply(&mut self, _: Created) {}
        }

        #[allow(dead_code)]
        fn named(facts: Facts) -> Inner {
            let Facts::Created(Created {}) = facts;
            Inner
        }
    }
}

pub(crate) fn main() {
    use midgard::aggregate::Fold as _;

    let mut user = users::User::default();
    user.apply_event(users::event::Created {}.into());
    user.apply_event(users::renamed());
    let _ = users::Row::by_city(users::City("Oslo".to_owned()));
    assert!(matches!(users::renamed(), users::UserEvent::Changed(_)));
}
