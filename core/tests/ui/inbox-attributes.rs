use midgard::{Done, Event, Handle, HandlerError, Inbox, MessageContext, RemoteCommand, Subscribe};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Inbox)]
struct NoAttribute;

#[derive(Inbox)]
#[inbox(events(OrderPlaced))]
struct NoName;

#[derive(Inbox)]
#[inbox(name = "a")]
struct NoMessages;

#[derive(Inbox)]
#[inbox(name = "b", events(), commands())]
struct EmptyLists;

#[derive(Inbox)]
#[inbox(name = "Customers", events(OrderPlaced))]
struct Name;

#[derive(Inbox)]
#[inbox(name = "shop.customers", events(OrderPlaced))]
struct Dots;

#[derive(Inbox)]
#[inbox(name = "", events(OrderPlaced))]
struct EmptyName;

#[derive(Inbox)]
#[inbox(name = customers, events(OrderPlaced))]
struct Unquoted;

#[derive(Inbox)]
#[inbox(name = "c", events(OrderPlaced, OrderPlaced))]
struct EventTwice;

#[derive(Inbox)]
#[inbox(name = "d", evnets(OrderPlaced))]
struct Misspelt;

#[derive(Inbox)]
#[inbox(name = "e", events = OrderPlaced)]
struct Equals;

#[derive(Inbox)]
#[inbox(name = "f", events("OrderPlaced"))]
struct Quoted;

#[derive(Inbox)]
#[inbox(name = "h", events(OrderPlaced), topics(OrderPlaced))]
struct Unknown;

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit, ReserveCredit))]
struct CommandTwice;

#[derive(Inbox)]
#[inbox(name = "customers", commands = ReserveCredit)]
struct EqualsCommands;

#[derive(Inbox)]
#[inbox(name = "g", events(OrderPlaced))]
struct Inner {
    #[inbox(ignore)]
    field: u64,
}

macro_rules! handlers {
    ($($inbox:ident)*) => {$(
        impl Subscribe<OrderPlaced> for $inbox {
            async fn receive(
                &self,
                _: OrderPlaced,
                _: &mut MessageContext<'_>,
            ) -> Result<(), HandlerError> {
                Ok(())
            }
        }

        impl Handle<ReserveCredit> for $inbox {
            async fn handle(
                &self,
                _: ReserveCredit,
                _: &mut MessageContext<'_>,
            ) -> Result<Done, HandlerError> {
                Ok(Done {})
            }
        }
    )*};
}

handlers! { NoAttribute NoName NoMessages EmptyLists Name Dots EmptyName Unquoted EventTwice Misspelt }
handlers! { Equals Quoted Unknown CommandTwice EqualsCommands Inner }

fn main() {}
