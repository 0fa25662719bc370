//! The contents of the tables, in plain SQL.

use crate::SqliteViews;
use midgard_examples::shop::Cents;
use midgard_examples::shop::customer::CustomerId;
use std::fmt;

/// Orders by month, approved and rejected in one row.
const MONTHS: &str = "
    SELECT
        month,
        coalesce(sum(orders) FILTER (WHERE status = 'approved'), 0),
        coalesce(sum(cents) FILTER (WHERE status = 'approved'), 0),
        coalesce(sum(orders) FILTER (WHERE status = 'rejected'), 0),
        coalesce(sum(cents) FILTER (WHERE status = 'rejected'), 0)
    FROM orders_by_month GROUP BY month ORDER BY month";

/// The customers with the highest approved totals.
const BEST: &str = "
    SELECT customer, orders, approved_cents FROM customers
    ORDER BY approved_cents DESC, customer LIMIT 10";

/// The shop's orders by month, and its best customers. Printed as two tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlReport {
    /// Month, orders and cents that were approved, orders and cents that were rejected.
    pub months: Vec<(String, i64, i64, i64, i64)>,
    /// Customer, orders, cents that were approved.
    pub best: Vec<(u32, i64, i64)>,
}

impl SqlReport {
    /// Reads both tables as of one moment.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(views: &SqliteViews) -> Result<Self, sqlx::Error> {
        let mut transaction = views.readers().begin().await?;
        Ok(SqlReport {
            months: sqlx::query_as(MONTHS).fetch_all(&mut *transaction).await?,
            best: sqlx::query_as(BEST).fetch_all(&mut *transaction).await?,
        })
    }
}

impl fmt::Display for SqlReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = |cents: i64| Cents(u64::try_from(cents).unwrap_or_default()).to_string();
        write!(f, "month    approved    dollars  rejected    dollars")?;
        for (month, approved, approved_cents, rejected, rejected_cents) in &self.months {
            let (approved_dollars, rejected_dollars) =
                (dollars(*approved_cents), dollars(*rejected_cents));
            write!(
                f,
                "\n{month} {approved:>9} {approved_dollars:>10} {rejected:>9} {rejected_dollars:>10}"
            )?;
        }
        write!(f, "\n\ncustomer  orders    dollars")?;
        for (customer, orders, cents) in &self.best {
            let (customer, dollars) = (CustomerId(*customer).to_string(), dollars(*cents));
            write!(f, "\n{customer:<8} {orders:>7} {dollars:>10}")?;
        }
        Ok(())
    }
}
