//! Events of one line each, with more derives below, upcasts and tags.

#[midgard::event(name = "user.created")]
struct UserCreatedV1 {
    name: String,
}

#[midgard::event(name = "user.created", version = 2, upcast_from = UserCreatedV1)]
#[derive(PartialEq)]
pub struct UserCreated {
    name: String,
    #[event(tag = "email")]
    email: Option<String>,
}

impl From<UserCreatedV1> for UserCreated {
    fn from(old: UserCreatedV1) -> Self {
        UserCreated {
            name: old.name,
            email: None,
        }
    }
}

#[midgard::event(name = "user.left")]
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct UserLeft {
    #[serde(default)]
    reason: String,
}

mod elsewhere {
    pub(crate) use midgard as events;
}

#[elsewhere::events::event(name = "user.returned", crate = elsewhere::events)]
struct UserReturned {}

#[derive(Debug, Default, midgard::Aggregate)]
#[aggregate(name = "user", id = u64, events(UserCreated, UserLeft, UserReturned), apply = enum)]
struct User {}

impl midgard::Apply<UserEvent> for User {
    fn apply(&mut self, _: UserEvent) {}
}

pub(crate) fn main() {
    let created = UserCreated {
        name: "ann".to_owned(),
        email: Some("a@x.org".to_owned()),
    };
    assert_eq!(created, created.clone());
    let new = midgard::event::NewEvent::encode(&created).unwrap();
    assert_eq!((&*new.name, new.schema_version), ("user.created", 2));
    let _ = (UserLeft::default(), UserReturned {});
}
