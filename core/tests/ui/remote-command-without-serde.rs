// One error, and none where it is listed.

use midgard::{Done, Handle, HandlerError, Inbox, MessageContext, RemoteCommand};

#[derive(Debug, Clone, RemoteCommand)]
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

fn main() {}
