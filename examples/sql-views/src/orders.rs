//! The projection: orders by month and status, and each customer's approved orders.

use crate::store::{SqliteViews, table};
use midgard::projection::ViewDefinition;
use midgard::{Context, HandlerResult, Project, Projection};
use midgard_examples::shop::Cents;
use midgard_examples::shop::customer::{
    Customer, CustomerEvent, OrderApproved, OrderRejected, Purchase,
};
use sqlx::AssertSqlSafe;

/// Orders by month and status.
pub const ORDERS_BY_MONTH: &str = "orders_by_month";
/// Each customer's orders.
pub const CUSTOMERS: &str = "customers";

/// Keeps [`ORDERS_BY_MONTH`] and [`CUSTOMERS`] up to date.
#[derive(Debug, Clone, Copy, Default, Projection)]
#[projection(
    name = "orders",
    events(OrderApproved, OrderRejected),
    covers(CustomerEvent),
    tables = tables,
    store = SqliteViews
)]
pub struct Orders;

/// The columns of both.
fn tables() -> Vec<ViewDefinition> {
    let orders_by_month = "
        month TEXT NOT NULL, status TEXT NOT NULL, orders INTEGER NOT NULL, cents INTEGER NOT NULL,
        PRIMARY KEY (month, status)";
    let customers = "
        customer INTEGER PRIMARY KEY, orders INTEGER NOT NULL, approved_cents INTEGER NOT NULL";
    vec![
        ViewDefinition::new(ORDERS_BY_MONTH, orders_by_month),
        ViewDefinition::new(CUSTOMERS, customers),
    ]
}

impl Project<OrderApproved> for Orders {
    async fn project(
        &self,
        event: OrderApproved,
        context: &mut Context<'_, Self>,
    ) -> HandlerResult {
        count_by_month(context, "approved", event.purchase).await?;
        count_by_customer(context, event.purchase.total).await
    }
}

impl Project<OrderRejected> for Orders {
    async fn project(
        &self,
        event: OrderRejected,
        context: &mut Context<'_, Self>,
    ) -> HandlerResult {
        count_by_month(context, "rejected", event.purchase).await?;
        count_by_customer(context, Cents::ZERO).await
    }
}

async fn count_by_month(
    context: &mut Context<'_, Orders>,
    status: &str,
    purchase: Purchase,
) -> HandlerResult {
    let table = table(ORDERS_BY_MONTH, context.generation());
    let count = format!(
        "INSERT INTO {table} VALUES (?, ?, 1, ?)
         ON CONFLICT DO UPDATE SET orders = orders + 1, cents = cents + excluded.cents"
    );
    sqlx::query(AssertSqlSafe(count))
        .bind(purchase.date.month().to_string())
        .bind(status)
        .bind(i64::try_from(purchase.total.0)?)
        .execute(&mut **context.transaction())
        .await?;
    Ok(())
}

async fn count_by_customer(context: &mut Context<'_, Orders>, approved: Cents) -> HandlerResult {
    let customer = context.recorded().aggregate_id::<Customer>()?;
    let table = table(CUSTOMERS, context.generation());
    let count = format!(
        "INSERT INTO {table} VALUES (?, 1, ?)
         ON CONFLICT DO UPDATE SET
             orders = orders + 1, approved_cents = approved_cents + excluded.approved_cents"
    );
    sqlx::query(AssertSqlSafe(count))
        .bind(customer.0)
        .bind(i64::try_from(approved.0)?)
        .execute(&mut **context.transaction())
        .await?;
    Ok(())
}
