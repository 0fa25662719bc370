use midgard::{MemoryStore, View, Views};
use midgard::view::Select;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city))]
enum Enum {
    Named { id: u64, city: String },
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Tuple(u64);

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Unit;

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city))]
struct Generic<T> {
    id: u64,
    city: T,
}

#[derive(View)]
#[view(key = id)]
union Union {
    id: u64,
}

fn main() {
    let views = Views::new(MemoryStore::new());
    let _ = views.select(Enum::by_city("Oslo"));
    let _ = views.get::<Tuple>(7);
    let _ = views.select(Generic::<String>::by_city("Oslo"));
    let _ = views.select(Select::<Unit>::all());
}
