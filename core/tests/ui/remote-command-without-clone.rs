use midgard::RemoteCommand;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {
    cents: u64,
}

fn main() {}
