//! Fields that would not be loaded as they were stored.

use midgard::Event;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "item.moved")]
struct Moved(String, #[serde(default)] Option<String>);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "item.weighed")]
struct Weighed(Item, u32, Option<f64>, Item);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Item {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "item.named")]
struct Named {
    #[serde(skip)]
    name: String,
    #[serde(rename = "of", skip_deserializing)]
    owner: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "item.listed")]
struct Listed {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(skip_serializing)]
    owner: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fine: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    also_fine: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "item.described")]
struct Described {
    #[serde(flatten)]
    item: Option<Item>,
    #[serde(flatten)]
    fine: BTreeMap<String, String>,
}

fn main() {}
