use midgard::{MemoryStore, View, Views};
use serde::Serialize;

#[derive(Serialize, View)]
#[view(key = id, index(city, ordered))]
struct Customer {
    id: u64,
    city: String,
}

fn main() {
    let views = Views::new(MemoryStore::new());
    let _ = views.select(Customer::by_city("Oslo"));
}
