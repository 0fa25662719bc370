//! The shop's sales, summed up from the recorded events.

use super::Cents;
use super::customer::{CustomerEvent, Purchase};
use futures_util::TryStreamExt;
use midgard::Store;
use midgard::event::DecodeError;
use midgard::store::{Query, ReadLog, StoreError};
use std::fmt;

/// The number of orders, and their total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of orders.
    pub orders: u64,
    /// The sum of their totals.
    pub total: Cents,
}

/// The shop's books. Printed as five lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Customers with an order, approved or not.
    pub customers: u64,
    /// The orders within the credit limit.
    pub approved: Tally,
    /// The orders over it.
    pub rejected: Tally,
    /// The CDs of all orders.
    pub cds: u64,
}

/// The reason why no report could be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The orders cost more than can be counted.
    #[error(
        "the orders cost more than {} dollars, which is more than can be counted",
        Cents(u64::MAX)
    )]
    TooMuch,
}

impl Report {
    /// Folds over the whole log, in constant memory.
    ///
    /// # Errors
    /// [`ReportError`]: an event that cannot be read is never passed over.
    pub async fn of<S: Store>(store: &S) -> Result<Self, ReportError> {
        let mut report = Report::default();
        let read = ReadLog::forward().matching(Query::events::<CustomerEvent>());
        let mut events = store.events(read);
        while let Some(event) = events.try_next().await? {
            report.add(event.decode()?).ok_or(ReportError::TooMuch)?;
        }
        Ok(report)
    }

    /// Takes in one event; returns `None` when a sum overflows.
    fn add(&mut self, event: CustomerEvent) -> Option<()> {
        let (tally, number, purchase) = match event {
            CustomerEvent::OrderApproved(order) => {
                (&mut self.approved, order.number, order.purchase)
            }
            CustomerEvent::OrderRejected(order) => {
                (&mut self.rejected, order.number, order.purchase)
            }
        };
        tally.add(purchase)?;
        // Every customer has exactly one first order.
        self.customers += u64::from(number == 1);
        self.cds += u64::from(purchase.cds);
        Some(())
    }
}

impl Tally {
    /// Adds an order; returns `None` when the sum is too large.
    pub fn add(&mut self, purchase: Purchase) -> Option<()> {
        self.orders += 1;
        self.total = self.total.checked_add(purchase.total)?;
        Some(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.orders, self.total)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "customers {}", self.customers)?;
        writeln!(f, "orders {}", self.approved.orders + self.rejected.orders)?;
        writeln!(f, "approved {}", self.approved)?;
        writeln!(f, "rejected {}", self.rejected)?;
        write!(f, "cds {}", self.cds)
    }
}
