use midgard::{Done, Handle, HandlerError, Inbox, MessageContext, RemoteCommand};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers")]
struct ReleaseCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit, ReleaseCredit))]
struct Customers;

impl Handle<ReserveCredit> for Customers {
    async fn handle(&self, _: ReserveCredit, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

fn main() {}
