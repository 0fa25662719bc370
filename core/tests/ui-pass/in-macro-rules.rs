//! Types, paths and names that come out of `macro_rules!`, in their invisible groups.
#![deny(warnings)]

use midgard::{
    Aggregate, Apply, Context, Event, HandlerError, Project, Projection, Select, View, ViewKey,
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
                $event { id: Default::default() }
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

aggregate!(Created, crate::CreatedV1, Created, "user.created", 2, u64, "id");

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

read_model!(Id, crate::Created => Row, crate::Row, "users", 2, id, number: u64, Active);

fn main() {
    let _: Select<Row> = Row::by_number(2);
    let _ = UserEvent::Created(Created { id: 1 });
}
