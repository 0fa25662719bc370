use midgard::{Done, Handle, HandlerError, Inbox, MessageContext, RemoteCommand};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.change", service = "customers")]
enum ChangeCredit {
    Reserve(u64),
    Release(u64),
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers", key = customer)]
struct ReserveCredit<T> {
    customer: T,
}

#[derive(Clone, Copy, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers")]
union ReleaseCredit {
    cents: u64,
}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ChangeCredit, ReserveCredit<u64>))]
struct Customers;

impl Handle<ChangeCredit> for Customers {
    async fn handle(&self, _: ChangeCredit, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

impl Handle<ReserveCredit<u64>> for Customers {
    async fn handle(&self, _: ReserveCredit<u64>, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

fn main() {}
