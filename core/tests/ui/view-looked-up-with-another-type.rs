use midgard::{MemoryStore, View, ViewKey, Views};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, ViewKey)]
struct CustomerId(u64);

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city), index(total, ordered))]
struct Customer {
    id: CustomerId,
    city: String,
    total: u64,
}

fn main() {
    let views = Views::new(MemoryStore::new());
    let _ = views.get::<Customer>(7);
    let _ = Customer::by_city(1);
    let _ = Customer::by_total_range("a".."b");
    let _ = Customer::by_total_range(10);
}
