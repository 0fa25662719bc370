use midgard::{Event, Handle, HandlerError, Inbox, MessageContext, RemoteCommand};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit))]
struct Customers;

impl Handle<ReserveCredit> for Customers {
    async fn handle(&self, _: ReserveCredit, _: &mut MessageContext<'_>) -> Result<OrderPlaced, HandlerError> {
        Ok(OrderPlaced {})
    }
}

fn main() {}
