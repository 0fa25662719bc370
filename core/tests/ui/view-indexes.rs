use midgard::View;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city), index(city, unique))]
struct Twice {
    id: u64,
    city: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city), index(town = city))]
struct UnderTwoNames {
    id: u64,
    city: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city), index(city = (country, city)))]
struct OneName {
    id: u64,
    city: String,
    country: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city, uniqe), index(country, sorted), index(street, city))]
struct Options {
    id: u64,
    street: String,
    city: String,
    country: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city, unique, unique), unique, index = country)]
struct MoreOptions {
    id: u64,
    city: String,
    country: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(), index("city"), index(city: unique))]
struct Forms {
    id: u64,
    city: String,
}

fn main() {
    let _ = (Options::by_city("Oslo"), Options::by_country("Norway"));
}
