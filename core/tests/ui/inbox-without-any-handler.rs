use midgard::{Event, Inbox, RemoteCommand};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced), commands(ReserveCredit))]
struct Customers;

fn main() {}
