//! The generated enum is as visible as its aggregate, and private events stay private.
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

    use midgard::{Aggregate, Apply};

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
        use midgard::{Aggregate, Apply};

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

fn main() {
    use midgard::Aggregate as _;

    let mut user = users::User::default();
    user.apply_event(users::event::Created {}.into());
    user.apply_event(users::renamed());
    assert!(matches!(users::renamed(), users::UserEvent::Changed(_)));
}
