use midgard::{Done, Event, Handle, HandlerError, Inbox, MessageContext, ProcessManager, React, Reactions, RemoteCommand, Resolve};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {
    cents: u64,
}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit))]
struct Customers;

impl Handle<ReserveCredit> for Customers {
    async fn handle(&self, _: ReserveCredit, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

#[derive(Default, ProcessManager)]
#[process_manager(name = "placement", id = u64, events(OrderPlaced), commands(ReserveCredit))]
struct Placement {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

impl React<OrderPlaced> for Placement {
    fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        None
    }

    fn react(&mut self, _: OrderPlaced, _: &mut Reactions<Self>) {}
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(&mut self, _: ReserveCredit, _: Done, _: &mut Reactions<Self>) {}

    fn refused(&mut self, _: ReserveCredit, _: &str, _: &mut Reactions<Self>) {}
}

fn main() {}
