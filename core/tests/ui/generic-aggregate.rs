use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserCreated))]
struct User<T> {
    of: T,
}

impl<T> Apply<UserCreated> for User<T> {
    fn apply(&mut self, _: UserCreated) {}
}

struct Create;

impl Command<User<u8>> for Create {
    type Error = ();

    fn decide(&self, _: &User<u8>) -> Result<Events<User<u8>>, ()> {
        Ok(midgard::events![UserCreated {}])
    }
}

fn main() {
    let users = Repository::<User<u8>, _>::new(MemoryStore::new());
    let _ = midgard::block_on(users.execute(&7, &Create));
}
