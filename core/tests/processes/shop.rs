//! Two services: `orders`, whose process manager asks for credit, and `customers`, which have it.

use midgard::event::RecordedEventRef;
use midgard::event::{NewEvent, RecordedEvent};
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{
    Aggregate, Apply, Command, Event, Events, Expire, Handle, HandlerError, Inbox, MessageContext,
    ProcessManager, React, Reactions, RemoteCommand, Resolve, events,
};
use midgard::{Done, Store, StreamName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.placed")]
pub(crate) struct OrderPlaced {
    pub(crate) order: u64,
    pub(crate) customer: u32,
    pub(crate) cents: u64,
    /// For how many milliseconds credit is waited for.
    pub(crate) patience: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.confirmed")]
pub(crate) struct OrderConfirmed {
    pub(crate) order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
pub(crate) struct OrderCancelled {
    pub(crate) order: u64,
    pub(crate) why: String,
}

/// Credit came for an order that was cancelled meanwhile.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.granted_late")]
pub(crate) struct OrderGrantedLate {
    pub(crate) order: u64,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(
    name = "order",
    id = u64,
    events(OrderPlaced, OrderConfirmed, OrderCancelled, OrderGrantedLate)
)]
pub(crate) struct Order {
    pub(crate) is_confirmed: bool,
    pub(crate) is_cancelled: bool,
}

impl Apply<OrderPlaced> for Order {
    fn apply(&mut self, _: OrderPlaced) {}
}

impl Apply<OrderConfirmed> for Order {
    fn apply(&mut self, _: OrderConfirmed) {
        self.is_confirmed = true;
    }
}

impl Apply<OrderCancelled> for Order {
    fn apply(&mut self, _: OrderCancelled) {
        self.is_cancelled = true;
    }
}

impl Apply<OrderGrantedLate> for Order {
    fn apply(&mut self, _: OrderGrantedLate) {}
}

/// Why an order or a customer refuses.
#[derive(Debug)]
pub(crate) struct No(&'static str);

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Debug)]
pub(crate) struct ConfirmOrder(pub(crate) u64);

impl Command<Order> for ConfirmOrder {
    type Error = No;

    fn decide(&self, order: &Order) -> Result<Events<Order>, No> {
        match (order.is_confirmed, order.is_cancelled) {
            (false, false) => Ok(events![OrderConfirmed { order: self.0 }]),
            (true, _) => Err(No("it is confirmed")),
            (_, true) => Err(No("it is cancelled")),
        }
    }
}

#[derive(Debug)]
pub(crate) struct CancelOrder(pub(crate) u64, pub(crate) &'static str);

impl Command<Order> for CancelOrder {
    type Error = No;

    fn decide(&self, order: &Order) -> Result<Events<Order>, No> {
        let why = self.1.to_owned();
        match (order.is_confirmed, order.is_cancelled) {
            (false, false) => Ok(events![OrderCancelled { order: self.0, why }]),
            (true, _) => Err(No("it is confirmed")),
            (_, true) => Ok(events![]),
        }
    }
}

#[derive(Debug)]
pub(crate) struct NoteLateGrant(pub(crate) u64);

impl Command<Order> for NoteLateGrant {
    type Error = No;

    fn decide(&self, _: &Order) -> Result<Events<Order>, No> {
        Ok(events![OrderGrantedLate { order: self.0 }])
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers", key = customer, reply = CreditReserved)]
pub(crate) struct ReserveCredit {
    pub(crate) customer: u32,
    pub(crate) order: u64,
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.release", service = "customers", key = customer)]
pub(crate) struct ReleaseCredit {
    pub(crate) customer: u32,
    pub(crate) order: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "placement.credit_late")]
pub(crate) struct CreditLate {
    pub(crate) order: u64,
}

/// From an order to its end.
#[derive(Debug, Default, ProcessManager)]
#[process_manager(
    name = "placement",
    id = u64,
    events(OrderPlaced, OrderCancelled),
    commands(ReserveCredit, ReleaseCredit),
    deadlines(CreditLate)
)]
pub(crate) struct Placement {
    pub(crate) order: u64,
    pub(crate) customer: u32,
    pub(crate) is_reserved: bool,
    pub(crate) is_cancelled: bool,
}

impl Placement {
    fn release(&self, reactions: &mut Reactions<Self>) {
        reactions.send(&ReleaseCredit {
            customer: self.customer,
            order: self.order,
        });
    }
}

impl React<OrderPlaced> for Placement {
    fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, event: OrderPlaced, reactions: &mut Reactions<Self>) {
        let OrderPlaced {
            order,
            customer,
            cents,
            patience,
        } = event;
        (self.order, self.customer) = (order, customer);
        reactions.send(&ReserveCredit {
            customer,
            order,
            cents,
        });
        reactions.remind(Duration::from_millis(patience), &CreditLate { order });
    }
}

impl React<OrderCancelled> for Placement {
    fn process(event: &OrderCancelled, _: &RecordedEventRef<'_>) -> Option<u64> {
        Some(event.order)
    }

    fn react(&mut self, _: OrderCancelled, reactions: &mut Reactions<Self>) {
        if !self.is_cancelled {
            self.is_cancelled = true;
            reactions.cancel::<CreditLate>();
            if self.is_reserved {
                self.release(reactions);
            }
        }
    }
}

impl Resolve<ReserveCredit> for Placement {
    fn replied(&mut self, _: ReserveCredit, _: CreditReserved, reactions: &mut Reactions<Self>) {
        self.is_reserved = true;
        reactions.cancel::<CreditLate>();
        if self.is_cancelled {
            self.release(reactions);
            return;
        }
        // Someone may cancel it at this moment: then that is told next.
        reactions
            .execute::<Order, _>(self.order, ConfirmOrder(self.order))
            .or_execute::<Order, _>(self.order, NoteLateGrant(self.order));
        reactions.complete();
    }

    fn refused(&mut self, _: ReserveCredit, _: &str, reactions: &mut Reactions<Self>) {
        self.is_cancelled = true;
        reactions.execute::<Order, _>(self.order, CancelOrder(self.order, "no credit"));
        reactions.complete();
    }
}

impl Resolve<ReleaseCredit> for Placement {
    fn replied(&mut self, _: ReleaseCredit, _: Done, reactions: &mut Reactions<Self>) {
        reactions.complete();
    }

    fn refused(&mut self, _: ReleaseCredit, _: &str, _: &mut Reactions<Self>) {}
}

impl Expire<CreditLate> for Placement {
    fn expired(&mut self, _: CreditLate, reactions: &mut Reactions<Self>) {
        self.is_cancelled = true;
        reactions.execute::<Order, _>(self.order, CancelOrder(self.order, "too late"));
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "customer.opened")]
pub(crate) struct CustomerOpened {
    pub(crate) limit: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "credit.reserved")]
pub(crate) struct CreditReserved {
    pub(crate) order: u64,
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "credit.released")]
pub(crate) struct CreditReleased {
    pub(crate) order: u64,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(
    name = "customer",
    id = u32,
    events(CustomerOpened, CreditReserved, CreditReleased)
)]
pub(crate) struct Customer {
    limit: u64,
    reserved: BTreeMap<u64, u64>,
}

impl Apply<CustomerOpened> for Customer {
    fn apply(&mut self, event: CustomerOpened) {
        self.limit = event.limit;
    }
}

impl Apply<CreditReserved> for Customer {
    fn apply(&mut self, event: CreditReserved) {
        *self.reserved.entry(event.order).or_default() += event.cents;
    }
}

impl Apply<CreditReleased> for Customer {
    fn apply(&mut self, event: CreditReleased) {
        self.reserved.remove(&event.order);
    }
}

/// Knows nothing of what was reserved before for the same order, so that an effect that happens twice shows.
impl Command<Customer> for ReserveCredit {
    type Error = No;

    fn decide(&self, customer: &Customer) -> Result<Events<Customer>, No> {
        let ReserveCredit { order, cents, .. } = *self;
        if customer.reserved.values().sum::<u64>() + cents > customer.limit {
            return Err(No("there is not enough credit"));
        }
        Ok(events![CreditReserved { order, cents }])
    }
}

impl Command<Customer> for ReleaseCredit {
    type Error = No;

    fn decide(&self, _: &Customer) -> Result<Events<Customer>, No> {
        Ok(events![CreditReleased { order: self.order }])
    }
}

#[derive(Inbox)]
#[inbox(name = "customers", commands(ReserveCredit, ReleaseCredit))]
pub(crate) struct Customers;

impl Handle<ReserveCredit> for Customers {
    async fn handle(
        &self,
        command: ReserveCredit,
        context: &mut MessageContext<'_>,
    ) -> Result<CreditReserved, HandlerError> {
        let ReserveCredit { order, cents, .. } = command;
        let customer = context.execute::<Customer, _>(&command.customer, &command);
        customer.await?;
        Ok(CreditReserved { order, cents })
    }
}

impl Handle<ReleaseCredit> for Customers {
    async fn handle(
        &self,
        command: ReleaseCredit,
        context: &mut MessageContext<'_>,
    ) -> Result<Done, HandlerError> {
        let customer = context.execute::<Customer, _>(&command.customer, &command);
        customer.await?;
        Ok(Done {})
    }
}

pub(crate) async fn append<E: Event>(store: &impl Store, stream: &str, event: &E) {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new(stream).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    store.append(append).await.unwrap();
}

pub(crate) async fn open(store: &impl Store, customer: u32, limit: u64) {
    let stream = format!("customer-{customer}");
    append(store, &stream, &CustomerOpened { limit }).await;
}

pub(crate) async fn place(
    store: &impl Store,
    order: u64,
    customer: u32,
    cents: u64,
    patience: u64,
) {
    let placed = OrderPlaced {
        order,
        customer,
        cents,
        patience,
    };
    append(store, &format!("order-{order}"), &placed).await;
}

/// All events of a log.
pub(crate) async fn log(store: &impl Store) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let each = &mut |event: RecordedEventRef<'_>| {
        events.push(event.to_owned());
        ControlFlow::Continue(())
    };
    store.read_log(&ReadLog::forward(), each).await.unwrap();
    events
}

/// What became of an order, as both logs tell it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) placed: u32,
    pub(crate) confirmed: u32,
    pub(crate) cancelled: u32,
    pub(crate) granted_late: u32,
    pub(crate) reserved: u32,
    pub(crate) released: u32,
}

impl Fate {
    pub(crate) const CONFIRMED: Fate = Fate {
        placed: 1,
        confirmed: 1,
        cancelled: 0,
        granted_late: 0,
        reserved: 1,
        released: 0,
    };
    /// Refused, or never asked.
    pub(crate) const CANCELLED: Fate = Fate {
        confirmed: 0,
        cancelled: 1,
        reserved: 0,
        ..Fate::CONFIRMED
    };
    pub(crate) const RELEASED: Fate = Fate {
        reserved: 1,
        released: 1,
        ..Fate::CANCELLED
    };

    /// Whether it was decided once, with its credit if it is confirmed and without it else.
    pub(crate) fn is_sound(self) -> bool {
        let granted_late = self.granted_late;
        granted_late <= 1
            && [Fate::CONFIRMED, Fate::CANCELLED, Fate::RELEASED]
                .map(|fate| Fate {
                    granted_late,
                    ..fate
                })
                .contains(&self)
    }
}

/// What became of all orders. Checks that no customer had more reserved than its limit at any time.
pub(crate) async fn fates(orders: &impl Store, customers: &impl Store) -> BTreeMap<u64, Fate> {
    let mut fates: BTreeMap<u64, Fate> = BTreeMap::new();
    for event in log(orders).await {
        let event = event.view();
        match event.name {
            OrderPlaced::NAME => {
                let placed = event.decode::<OrderPlaced>().unwrap();
                fates.entry(placed.order).or_default().placed += 1;
            }
            OrderConfirmed::NAME => {
                let confirmed = event.decode::<OrderConfirmed>().unwrap();
                fates.entry(confirmed.order).or_default().confirmed += 1;
            }
            OrderCancelled::NAME => {
                let cancelled = event.decode::<OrderCancelled>().unwrap();
                fates.entry(cancelled.order).or_default().cancelled += 1;
            }
            OrderGrantedLate::NAME => {
                let granted = event.decode::<OrderGrantedLate>().unwrap();
                fates.entry(granted.order).or_default().granted_late += 1;
            }
            _ => {}
        }
    }
    let mut limits: BTreeMap<String, (u64, BTreeMap<u64, u64>)> = BTreeMap::new();
    for event in log(customers).await {
        let event = event.view();
        let (limit, reserved) = limits.entry(event.stream.to_owned()).or_default();
        match event.name {
            CustomerOpened::NAME => *limit += event.decode::<CustomerOpened>().unwrap().limit,
            CreditReserved::NAME => {
                let credit = event.decode::<CreditReserved>().unwrap();
                fates.entry(credit.order).or_default().reserved += 1;
                *reserved.entry(credit.order).or_default() += credit.cents;
            }
            CreditReleased::NAME => {
                let credit = event.decode::<CreditReleased>().unwrap();
                fates.entry(credit.order).or_default().released += 1;
                assert!(reserved.remove(&credit.order).is_some(), "{credit:?}");
            }
            _ => {}
        }
        let sum = reserved.values().sum::<u64>();
        assert!(sum <= *limit, "{} has {sum} of {limit}", event.stream);
    }
    fates
}
