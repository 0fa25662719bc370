use midgard::{View, ViewKey};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, ViewKey)]
enum State {
    Open,
    Closed { by: String },
}

#[derive(Serialize, Deserialize, ViewKey)]
enum Nothing {}

#[derive(Serialize, Deserialize, ViewKey)]
struct Unit;

#[derive(Serialize, Deserialize, ViewKey)]
struct Id<T>(T);

#[derive(Serialize, Deserialize, ViewKey)]
#[view_key(name = "place")]
struct Place {
    #[view_key(crate = midgard)]
    city: String,
}

#[derive(Serialize, Deserialize, ViewKey)]
struct Money(f64);

#[derive(Serialize, Deserialize, ViewKey)]
enum Unordered {
    High = 3,
    Low = 1,
    Middle,
}

#[derive(ViewKey)]
union Union {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = (id, place), index(state), index(money), index(unit))]
struct Order {
    id: Id<u64>,
    place: Place,
    state: State,
    money: Money,
    unit: Unit,
}

fn main() {
    let _ = Order::by_state(State::Open);
}
