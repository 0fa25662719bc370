use midgard::{MemoryStore, View, Views};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, View)]
#[view(key = idd)]
struct Key {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = (country, number, country))]
struct KeyTwice {
    country: String,
    number: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(town, ordered), index(place = (country, citty)))]
struct Index {
    id: u64,
    city: String,
    country: String,
}

fn main() {
    let views = Views::new(MemoryStore::new());
    let _ = views.get::<Key>(7);
    let _ = views.select(Index::by_town("Oslo"));
    let _ = views.select(Index::by_town_range("A".."B"));
    let _ = views.select(Index::ordered_by_town());
    let _ = views.select(Index::by_place(("Norway", "Oslo")));
}
