use midgard::{Aggregate, Apply, Event, MemoryStore, Repository};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserCreated))]
struct User {}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

fn main() {
    let users = Repository::<User, _>::new(MemoryStore::new());
    let _ = midgard::block_on(users.load(&7));
}
