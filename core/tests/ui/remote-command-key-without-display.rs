use midgard::RemoteCommand;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Customer(u64);

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers", key = customer)]
struct ReserveCredit {
    customer: Customer,
}

fn main() {}
