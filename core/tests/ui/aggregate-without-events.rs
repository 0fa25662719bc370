use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64)]
struct User {}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

struct Create;

impl Command<User> for Create {
    type Error = ();

    fn decide(&self, _: &User) -> Result<Events<User>, ()> {
        Ok(midgard::events![UserCreated {}])
    }
}

fn main() {
    let users = Repository::<User, _>::new(MemoryStore::new());
    let _ = midgard::block_on(users.execute(&7, &Create));
    match UserEvent::from(UserCreated {}) {
        UserEvent::UserCreated(_) => {}
    }
}
