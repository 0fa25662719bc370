//! What is wrong with a line is said as of the derive that it stands for, once, where it is.

#[midgard::view(key = number)]
struct Balance {
    account: String,
}

#[midgard::view]
struct Owner {
    name: String,
}

#[midgard::view(key = name, index(city))]
fn cities() {}

#[midgard::remote_command(name = "credit.reserve")]
struct Reserve {}

#[midgard::aggregate(nam = "account", id = String)]
struct Account {}

#[midgard::projection(name = "balances")]
struct Balances;

#[midgard::inbox(events(Reserved))]
struct Bank;

#[midgard::event(name = "credit.reserved")]
struct Reserved {}

#[midgard::process_manager(name = "placement", events(Reserved))]
struct Placement {}

/// What a line derives needs it of the fields too.
struct Plain;

#[midgard::aggregate(name = "order", id = u64, events(Reserved), apply = enum)]
struct Order {
    plain: Plain,
}

impl midgard::Apply<OrderEvent> for Order {
    fn apply(&mut self, _: OrderEvent) {}
}

fn main() {}
