use midgard::{Aggregate, Apply, Event, aggregate::Fold};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Created {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "User Renamed")]
struct Renamed {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.moved", version = 0)]
struct Moved {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.left", version = 2)]
struct Left {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.returned", vresion = 2)]
struct Returned {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "user.paid")]
struct Paid {
    #[event(tag = "")]
    amount: u64,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "user-account", id = u64, events(Created, Renamed, Moved, Left, Returned, Paid, Paid))]
struct User {}

impl Apply<Created> for User {
    fn apply(&mut self, _: Created) {}
}

impl Apply<Renamed> for User {
    fn apply(&mut self, _: Renamed) {}
}

impl Apply<Moved> for User {
    fn apply(&mut self, _: Moved) {}
}

impl Apply<Left> for User {
    fn apply(&mut self, _: Left) {}
}

impl Apply<Returned> for User {
    fn apply(&mut self, _: Returned) {}
}

impl Apply<Paid> for User {
    fn apply(&mut self, _: Paid) {}
}

fn main() {
    let mut user = User::default();
    user.apply_event(UserEvent::from(Created {}));
    user.apply_event(UserEvent::Paid(Paid { amount: 1 }));
}
