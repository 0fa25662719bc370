// One error for each mistake, and none where they are listed.

use midgard::{Done, Event, Handle, HandlerError, Inbox, MessageContext, RemoteCommand, Subscribe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "Order Placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve")]
struct ReserveCredit {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "Release Credit", service = "Customers")]
struct ReleaseCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced), commands(ReserveCredit, ReleaseCredit))]
struct Customers;

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(&self, _: OrderPlaced, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Handle<ReserveCredit> for Customers {
    async fn handle(&self, _: ReserveCredit, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

impl Handle<ReleaseCredit> for Customers {
    async fn handle(&self, _: ReleaseCredit, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

fn main() {}
