use midgard::{Aggregate, Apply, Command, Event, Events};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.created")]
struct UserCreated {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user", id = u64, events(UserCreated))]
struct User {}

impl Apply<UserCreated> for User {
    fn apply(&mut self, _: UserCreated) {}
}

struct Place;

impl Command<User> for Place {
    type Error = ();

    fn decide(&self, _: &User) -> Result<Events<User>, ()> {
        Ok(midgard::events![OrderPlaced {}])
    }
}

fn main() {}
