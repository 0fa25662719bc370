use midgard::{Done, Event, Handle, HandlerError, Inbox, MessageContext, RemoteCommand, Subscribe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
struct OrderCancelled {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers")]
struct ReleaseCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", events(OrderPlaced), commands(ReserveCredit))]
struct Customers;

impl Subscribe<OrderPlaced> for Customers {
    async fn receive(&self, _: OrderPlaced, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
        Ok(())
    }
}

impl Subscribe<OrderCancelled> for Customers {
    async fn receive(&self, _: OrderCancelled, _: &mut MessageContext<'_>) -> Result<(), HandlerError> {
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
