use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository};
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

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "order", id = u64, events(OrderPlaced))]
struct Order {}

impl Apply<OrderPlaced> for Order {
    fn apply(&mut self, _: OrderPlaced) {}
}

struct Place;

impl Command<Order> for Place {
    type Error = ();

    fn decide(&self, _: &Order) -> Result<Events<Order>, ()> {
        Ok(midgard::events![OrderPlaced {}])
    }
}

async fn run(users: &Repository<User, MemoryStore>) {
    let _ = users.execute(&7, &Place).await;
}

fn main() {
    let _ = run;
}
