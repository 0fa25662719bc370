use midgard::View;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct City(String);

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city, unique, ordered))]
struct Customer {
    id: u64,
    city: City,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = city)]
struct Place {
    city: City,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = (city, number), index(price), index(both = (price, city)))]
struct House {
    city: City,
    number: u64,
    price: f64,
}

fn main() {
    let _ = Customer::by_city(City("Oslo".to_owned()));
}
