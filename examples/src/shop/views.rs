//! The shop's views, kept up to date by a projection of its orders.

use super::customer::{
    Customer, CustomerEvent, CustomerId, OrderApproved, OrderRejected, Purchase,
};
use super::{Cents, Month};
use midgard::view::Select;
use midgard::{Context, HandlerResult, Project, Projection, View, ViewKey};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How an order was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ViewKey)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It was within the credit limit.
    Approved,
    /// It was over the limit.
    Rejected,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Decision::Approved => "approved",
            Decision::Rejected => "rejected",
        })
    }
}

/// The orders of one month with the same outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = (month, decision))]
pub struct OrdersOfMonth {
    /// The month that the orders are from.
    pub month: Month,
    /// Their outcome.
    pub decision: Decision,
    /// How many there are.
    pub orders: u64,
    /// The CDs of all of them.
    pub cds: u64,
    /// Their total.
    pub total: Cents,
}

/// A customer's purchases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = customer, index(approved, ordered))]
pub struct CustomerTotal {
    /// The customer.
    pub customer: CustomerId,
    /// The approved orders.
    pub orders: u64,
    /// Their total.
    pub approved: Cents,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = (customer, number))]
pub struct Order {
    /// The customer.
    pub customer: CustomerId,
    /// Its number among the orders of its customer, from 1.
    pub number: u64,
    /// The purchase.
    #[serde(flatten)]
    pub purchase: Purchase,
    /// Its outcome.
    pub decision: Decision,
}

impl Order {
    /// Selects all orders of a customer, in order.
    pub fn of(customer: CustomerId) -> Select<Self> {
        Select::keys((customer, 0)..=(customer, u64::MAX))
    }
}

/// Keeps the views: every order counts once, whenever the program is killed.
#[derive(Debug, Projection)]
#[projection(
    name = "shop",
    events(OrderApproved, OrderRejected),
    covers(CustomerEvent),
    views(OrdersOfMonth, CustomerTotal, Order)
)]
pub struct ShopViews;

impl Project<OrderApproved> for ShopViews {
    async fn project(
        &self,
        event: OrderApproved,
        context: &mut Context<'_, Self>,
    ) -> HandlerResult {
        let customer = note_order(event.number, event.purchase, Decision::Approved, context)?;
        let none = || CustomerTotal {
            customer,
            orders: 0,
            approved: Cents::ZERO,
        };
        context.upsert(customer, none, |total: &mut CustomerTotal| {
            total.orders += 1;
            total.approved = total.approved.saturating_add(event.purchase.total);
        })?;
        Ok(())
    }
}

impl Project<OrderRejected> for ShopViews {
    async fn project(
        &self,
        event: OrderRejected,
        context: &mut Context<'_, Self>,
    ) -> HandlerResult {
        note_order(event.number, event.purchase, Decision::Rejected, context)?;
        Ok(())
    }
}

/// Does what is the same for every order, whatever its outcome. Returns the customer.
fn note_order(
    number: u64,
    purchase: Purchase,
    decision: Decision,
    context: &mut Context<'_, ShopViews>,
) -> HandlerResult<CustomerId> {
    let customer = context.recorded().aggregate_id::<Customer>()?;
    context.put(Order {
        customer,
        number,
        purchase,
        decision,
    })?;
    let month = purchase.date.month();
    let none = || OrdersOfMonth {
        month,
        decision,
        orders: 0,
        cds: 0,
        total: Cents::ZERO,
    };
    context.upsert((month, decision), none, |all: &mut OrdersOfMonth| {
        all.orders += 1;
        all.cds += u64::from(purchase.cds);
        all.total = all.total.saturating_add(purchase.total);
    })?;
    Ok(customer)
}
