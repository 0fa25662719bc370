//! Rows that would not be read as they were put.

use midgard::{View, ViewKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(city), index(place = (country, city)))]
struct Skipped {
    #[serde(skip)]
    id: u64,
    #[serde(default, skip_serializing)]
    city: String,
    #[serde(skip_deserializing)]
    country: Option<String>,
    #[serde(skip_serializing)]
    note: Option<String>,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct LeftOut {
    id: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fine: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    also_fine: Option<String>,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Null {
    id: u64,
    seen: Option<Option<u64>>,
    marked: Option<()>,
    of_each: BTreeMap<String, Vec<(u8, Option<Option<bool>>)>>,
    #[serde(with = "kept")]
    kept: Option<Option<u64>>,
}

mod kept {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<Option<u64>>, to: S) -> Result<S::Ok, S::Error> {
        Vec::from_iter(value.iter()).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u64>>, D::Error> {
        Vec::deserialize(from).map(|values: Vec<_>| values.into_iter().next())
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Address {
    city: String,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = id)]
struct Flattened {
    id: u64,
    #[serde(flatten)]
    address: Option<Address>,
    #[serde(flatten)]
    fine: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize, ViewKey)]
struct Place {
    country: String,
    #[serde(skip)]
    city: String,
}

#[derive(Serialize, Deserialize, ViewKey)]
enum Status {
    New,
    #[serde(skip)]
    Old,
}

#[derive(Serialize, Deserialize, View)]
#[view(key = place, index(status))]
struct Fine {
    place: Place,
    status: Status,
}

fn main() {}
