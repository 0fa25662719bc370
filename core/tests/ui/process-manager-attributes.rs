use midgard::{Done, Event, Expire, ProcessManager, React, Reactions, RemoteCommand, Resolve};
use midgard::event::RecordedEventRef;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
struct OrderPlaced {}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers")]
struct ReserveCredit {}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "payment.overdue")]
struct PaymentOverdue {}

#[derive(Default, ProcessManager)]
struct NoAttribute {}

#[derive(Default, ProcessManager)]
#[process_manager(id = u64, events(OrderPlaced))]
struct NoName {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "a", events(OrderPlaced))]
struct NoId {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "b", id = u64)]
struct NoEvents {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "c", id = u64, events())]
struct EmptyEvents {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "order-placement", id = u64, events(OrderPlaced))]
struct Name {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "order.placement", id = u64, events(OrderPlaced))]
struct Dots {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "", id = u64, events(OrderPlaced))]
struct EmptyName {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "d", id = "u64", events(OrderPlaced))]
struct QuotedId {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "e", id = u64, events(OrderPlaced, OrderPlaced))]
struct EventTwice {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "f", id = u64, events(OrderPlaced), commands(ReserveCredit, ReserveCredit))]
struct CommandTwice {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "g", id = u64, events(OrderPlaced), deadlines(PaymentOverdue, PaymentOverdue))]
struct DeadlineTwice {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "h", id = u64, events(OrderPlaced), comands(ReserveCredit))]
struct Misspelt {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "i", id = u64, events(OrderPlaced), deadlines("PaymentOverdue"))]
struct QuotedDeadline {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "j", id = u64, events(OrderPlaced), commands = ReserveCredit)]
struct EqualsCommands {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "k", id = u64, events(OrderPlaced), ignore(PaymentOverdue))]
struct Unknown {}

#[derive(Default, ProcessManager)]
#[process_manager(name = "l", id = u64, events(OrderPlaced))]
struct Inner {
    #[process_manager(id)]
    order: u64,
}

macro_rules! reactions {
    ($($manager:ident)*) => {$(
        impl React<OrderPlaced> for $manager {
            fn process(_: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<Self::Id> {
                None
            }

            fn react(&mut self, _: OrderPlaced, reactions: &mut Reactions<Self>) {
                reactions.send(&ReserveCredit {});
                reactions.cancel::<PaymentOverdue>();
            }
        }

        impl Resolve<ReserveCredit> for $manager {
            fn replied(&mut self, _: ReserveCredit, _: Done, _: &mut Reactions<Self>) {}

            fn refused(&mut self, _: ReserveCredit, _: &str, _: &mut Reactions<Self>) {}
        }

        impl Expire<PaymentOverdue> for $manager {
            fn expired(&mut self, _: PaymentOverdue, _: &mut Reactions<Self>) {}
        }
    )*};
}

reactions! { NoAttribute NoName NoId NoEvents EmptyEvents Name Dots EmptyName QuotedId }
reactions! { EventTwice CommandTwice DeadlineTwice Misspelt QuotedDeadline EqualsCommands Unknown Inner }

#[derive(Default, ProcessManager)]
#[process_manager(name = "quoted_config", id = u64, config = "Terms", events(OrderPlaced))]
struct QuotedConfig {}

fn main() {}
