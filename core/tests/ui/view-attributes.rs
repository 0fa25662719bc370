use midgard::View;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, View)]
struct NoAttribute {
    number: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(name = "no_key", index(city))]
struct NoKey {
    id: u64,
    city: String,
}

#[derive(Serialize, Deserialize, View)]
#[view]
struct NoList {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view("customer")]
struct NoKeyWord {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(kye = id)]
struct Misspelt {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = "id")]
struct QuotedKey {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = ())]
struct EmptyKey {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id, key = city)]
struct TwoKeys {
    id: u64,
    city: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(name = customer, key = id)]
struct UnquotedName {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(name = "Customer List", key = id)]
struct WrongName {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Größe {
    id: u64,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct OnAField {
    id: u64,
    #[view(index)]
    city: String,
}

fn main() {
    let _ = NoKey::by_city("Oslo");
}
