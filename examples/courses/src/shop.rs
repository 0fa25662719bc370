//! The shop, without aggregates: an order depends on itself, and on the credit of its customer in its month.
//!
//! The shop of `midgard-examples` has one stream for each customer, and reads all of a customer's orders to decide the next. Here
//! the decision depends on two small models, and no stream is read as a whole.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use midgard::repository::{ExecuteError, Repositories};
use midgard::store::{Query, ReadLog};
use midgard::{Apply, Command, DecisionModel, Event, Events, Store, events};
use midgard_examples::shop::customer::{CustomerId, Purchase};
use midgard_examples::shop::listing::Row;
use midgard_examples::shop::report::{Report, ReportError};
use midgard_examples::shop::{Cents, Month};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

/// A purchase was decided: within the credit limit, or over it.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "purchase.decided")]
pub struct PurchaseDecided {
    /// The customer, and the number among the customer's orders, from 1: `00004.1`.
    #[event(tag = "order")]
    pub order: String,
    /// The customer, and the month in which the purchase adds to the debt: `00004.1997-01`.
    #[event(tag = "credit")]
    pub credit: String,
    /// The purchase.
    pub purchase: Purchase,
    /// Whether it was within the limit.
    pub is_approved: bool,
}

/// An order: whether it was decided already.
#[derive(Debug, DecisionModel)]
#[decision(events(PurchaseDecided))]
pub struct Order {
    #[decision(tag)]
    order: String,
    is_decided: bool,
}

impl Apply<PurchaseDecided> for Order {
    fn apply(&mut self, _: PurchaseDecided) {
        self.is_decided = true;
    }
}

/// The debt of a customer in one month.
#[derive(Debug, DecisionModel)]
#[decision(events(PurchaseDecided))]
pub struct Credit {
    #[decision(tag)]
    credit: String,
    debt: Cents,
}

impl Apply<PurchaseDecided> for Credit {
    fn apply(&mut self, event: PurchaseDecided) {
        if event.is_approved {
            self.debt = self.debt.saturating_add(event.purchase.total);
        }
    }
}

/// Places an order on credit. One that was decided before is left as it is.
#[derive(Debug, Clone, Copy)]
pub struct PlaceOrder {
    /// The purchase.
    pub purchase: Purchase,
    /// The customer's limit for one calendar month.
    pub credit_limit: Cents,
}

impl Command<(Order, Credit)> for PlaceOrder {
    type Error = Infallible;

    fn decide(
        &self,
        (order, credit): &(Order, Credit),
    ) -> Result<Events<(Order, Credit)>, Self::Error> {
        if order.is_decided {
            return Ok(Events::none());
        }
        let debt = credit.debt.checked_add(self.purchase.total);
        Ok(events![PurchaseDecided {
            order: order.order.clone(),
            credit: credit.credit.clone(),
            purchase: self.purchase,
            is_approved: debt.is_some_and(|debt| debt <= self.credit_limit),
        }])
    }
}

/// Returns what an order depends on.
#[must_use]
pub fn placing(customer: CustomerId, number: u64, month: Month) -> (Order, Credit) {
    (
        Order::of(format!("{customer}.{number}")),
        Credit::of(format!("{customer}.{month}")),
    )
}

/// How many customers are served at once: enough for a store to commit many decisions together.
const CUSTOMERS_AT_ONCE: usize = 256;

/// Places every row as an order of its customer: many customers at once, each one's orders one after the other. The credit of one
/// customer is no condition of another's order, so none waits for another.
///
/// # Errors
/// When a row cannot be read, and nothing was decided; or when an order cannot be placed.
pub async fn import<S: Store + Clone, E: std::error::Error + 'static>(
    repositories: &Repositories<S>,
    rows: impl IntoIterator<Item = Result<Row, E>>,
    credit_limit: Cents,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut customers = BTreeMap::<CustomerId, Vec<Purchase>>::new();
    for row in rows {
        let Row { customer, purchase } = row?;
        customers.entry(customer).or_default().push(purchase);
    }
    stream::iter(customers)
        .map(|(customer, purchases)| serve(repositories, customer, purchases, credit_limit))
        .buffer_unordered(CUSTOMERS_AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(())
}

/// Places all orders of one customer.
async fn serve<S: Store + Clone>(
    repositories: &Repositories<S>,
    customer: CustomerId,
    purchases: Vec<Purchase>,
    credit_limit: Cents,
) -> Result<(), ExecuteError<Infallible>> {
    for (number, purchase) in (1..).zip(purchases) {
        let model = placing(customer, number, purchase.date.month());
        let place = PlaceOrder {
            purchase,
            credit_limit,
        };
        repositories.execute(model, &place).await?;
    }
    Ok(())
}

/// Sums up the recorded purchases, as the five lines of the shop.
///
/// # Errors
/// When the store or an event cannot be read, or the orders cost more than can be counted.
pub async fn report<S: Store>(store: &S) -> Result<Report, ReportError> {
    let read = ReadLog::forward().matching(Query::events::<PurchaseDecided>());
    let (mut report, mut outcome) = (Report::default(), Ok(()));
    let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
        outcome = event
            .decode()
            .map_err(ReportError::from)
            .and_then(|event| add(&mut report, &event).ok_or(ReportError::TooMuch));
        match outcome {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    store.read_log(&read, visit).await?;
    outcome.map(|()| report)
}

/// Takes in one purchase; returns `None` when a sum overflows.
fn add(report: &mut Report, event: &PurchaseDecided) -> Option<()> {
    let tally = if event.is_approved {
        &mut report.approved
    } else {
        &mut report.rejected
    };
    tally.add(event.purchase)?;
    // Every customer has exactly one first order.
    report.customers += u64::from(event.order.ends_with(".1"));
    report.cds += u64::from(event.purchase.cds);
    Some(())
}
