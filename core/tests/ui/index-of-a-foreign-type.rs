use midgard::View;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::time::SystemTime;

#[derive(Serialize, Deserialize, View)]
#[view(key = id, index(at), index(from))]
struct Visit {
    id: u64,
    at: SystemTime,
    from: IpAddr,
}

fn main() {}
