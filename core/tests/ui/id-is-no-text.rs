use midgard::{Aggregate, Apply, Event, MemoryStore, Repository};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug)]
struct UserId(u64);

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = UserId, events(UserCreated))]
struct User {}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

fn main() {
    let users = Repository::<User, _>::new(MemoryStore::new());
    let _ = midgard::block_on(users.load(&UserId(7)));
}
