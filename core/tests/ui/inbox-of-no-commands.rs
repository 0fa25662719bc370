use midgard::{Done, Handle, HandlerError, Inbox, MessageContext};

struct ReserveCredit {}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit))]
struct Customers;

impl Handle<ReserveCredit> for Customers {
    async fn handle(&self, _: ReserveCredit, _: &mut MessageContext<'_>) -> Result<Done, HandlerError> {
        Ok(Done {})
    }
}

fn main() {}
