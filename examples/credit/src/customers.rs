//! The customers service: it tracks each customer's debt, and reserves credit up to a limit.

use crate::LEASE;
use crate::messages::{CreditReserved, OrderCancelled, OrderId, ReserveCredit};
use midgard::bus::{Publisher, Subscriber};
use midgard::{
    Aggregate, Apply, Command, Event, Events, Handle, HandlerResult, Inbox, MessageContext,
    Midgard, Outbox, Store, Subscribe, events,
};
use midgard_examples::shop::customer::{CustomerId, Purchase};
use midgard_examples::shop::{Cents, Month};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Credit was reserved for an order, and adds to the customer's debt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "credit.reserved")]
pub struct Reserved {
    /// The order.
    pub order: OrderId,
    /// The purchase.
    pub purchase: Purchase,
}

/// The credit of a cancelled order was released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "credit.released")]
pub struct Released {
    /// The order.
    pub order: OrderId,
}

/// The credit of one customer: the debt for the orders of each month.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "credit", id = CustomerId, events(Reserved, Released))]
pub struct Credit {
    owed: BTreeMap<Month, Cents>,
    reserved: BTreeMap<u64, Purchase>,
}

impl Credit {
    /// Returns the debt for the orders of one month.
    #[must_use]
    pub fn owed(&self, month: Month) -> Cents {
        self.owed.get(&month).copied().unwrap_or_default()
    }
}

impl Apply<Reserved> for Credit {
    fn apply(&mut self, Reserved { order, purchase }: Reserved) {
        let owed = self.owed.entry(purchase.date.month()).or_default();
        *owed = owed.saturating_add(purchase.total);
        self.reserved.insert(order.number, purchase);
    }
}

impl Apply<Released> for Credit {
    fn apply(&mut self, Released { order }: Released) {
        if let Some(purchase) = self.reserved.remove(&order.number) {
            let owed = self.owed.entry(purchase.date.month()).or_default();
            *owed = Cents(owed.0.saturating_sub(purchase.total.0));
        }
    }
}

/// Reserves credit.
#[derive(Debug, Clone)]
pub struct Reserve {
    /// The order.
    pub order: OrderId,
    /// The purchase.
    pub purchase: Purchase,
    /// The customer's limit for one calendar month.
    pub limit: Cents,
}

/// The reason why no credit was reserved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{owed} are owed for the month, and {asked} more are over the limit of {limit}")]
pub struct OverLimit {
    owed: Cents,
    asked: Cents,
    limit: Cents,
}

impl Command<Credit> for Reserve {
    type Error = OverLimit;

    fn decide(&self, credit: &Credit) -> Result<Events<Credit>, OverLimit> {
        let Reserve {
            order,
            purchase,
            limit,
        } = *self;
        if credit.reserved.contains_key(&order.number) {
            // Asked for again, by whoever no longer knows.
            return Ok(Events::none());
        }
        let (owed, asked) = (credit.owed(purchase.date.month()), purchase.total);
        if owed.checked_add(asked).is_some_and(|sum| sum <= limit) {
            return Ok(events![Reserved { order, purchase }]);
        }
        Err(OverLimit { owed, asked, limit })
    }
}

/// Releases the credit of an order, if it has any.
#[derive(Debug, Clone)]
pub struct Release(pub OrderId);

impl Command<Credit> for Release {
    type Error = std::convert::Infallible;

    fn decide(&self, credit: &Credit) -> Result<Events<Credit>, Self::Error> {
        let order = self.0;
        let is_reserved = credit.reserved.contains_key(&order.number);
        Ok(is_reserved
            .then_some(Released { order })
            .into_iter()
            .collect())
    }
}

/// The customers service's commands and events.
#[derive(Debug, Inbox)]
#[inbox(name = "customers", events(OrderCancelled), commands(ReserveCredit))]
pub struct Customers {
    /// The customer's limit for one calendar month.
    pub limit: Cents,
}

impl Handle<ReserveCredit> for Customers {
    async fn handle(
        &self,
        command: ReserveCredit,
        context: &mut MessageContext<'_>,
    ) -> HandlerResult<CreditReserved> {
        let reserve = Reserve {
            order: command.order,
            purchase: command.purchase,
            limit: self.limit,
        };
        context
            .execute::<Credit, _>(&command.customer, &reserve)
            .await?;
        Ok(CreditReserved {})
    }
}

impl Subscribe<OrderCancelled> for Customers {
    async fn receive(
        &self,
        event: OrderCancelled,
        context: &mut MessageContext<'_>,
    ) -> HandlerResult {
        let release = Release(event.order);
        context
            .execute::<Credit, _>(&event.customer, &release)
            .await?;
        Ok(())
    }
}

/// Returns the service, to be run. To a bus with another id, everything is published again.
pub fn service<S, B>(store: S, bus: B, bus_id: &str, limit: Cents) -> Midgard<S>
where
    S: Store + Clone,
    B: Publisher + Subscriber + Clone,
{
    let outbox = Outbox::new("customers").bus_id(bus_id).lease(LEASE);
    Midgard::new(store)
        .inbox(Customers { limit }, bus.clone())
        .outbox(outbox, bus)
}
