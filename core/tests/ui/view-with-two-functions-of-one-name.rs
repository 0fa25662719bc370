use midgard::View;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(total, ordered), index(total_range))]
struct Customer {
    id: u64,
    total: u64,
    total_range: u64,
}

fn main() {}
