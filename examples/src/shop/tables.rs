//! The views as tables of text.

use super::customer::CustomerId;
use super::views::{CustomerTotal, Order, OrdersOfMonth};
use comfy_table::{Cell, CellAlignment, Table, presets};
use midgard::view::{Cursor, Page, Select, ViewError, ViewSnapshot};
use std::fmt::Display;

/// Returns the number of approved and rejected orders of each month, and their totals.
///
/// # Errors
/// When the view cannot be read.
pub fn orders_by_month(views: &ViewSnapshot) -> Result<String, ViewError> {
    let mut table = table(["month", "decision", "orders", "CDs", "dollars"]);
    for row in views.select(Select::<OrdersOfMonth>::all())? {
        table.add_row([
            text(row.month),
            text(row.decision),
            number(row.orders),
            number(row.cds),
            number(row.total),
        ]);
    }
    Ok(format!("Orders by month\n{table}"))
}

/// Returns the customers with the highest approved totals, and the place to continue from.
///
/// # Errors
/// When the view cannot be read, or `after` is a place in another list.
pub fn best_customers(
    views: &ViewSnapshot,
    count: usize,
    after: Option<&Cursor>,
) -> Result<String, ViewError> {
    let mut best = CustomerTotal::ordered_by_approved().reverse().limit(count);
    if let Some(after) = after {
        best = best.after(after);
    }
    let Page { rows, next, .. } = views.page(best)?;
    let mut table = table(["customer", "orders", "dollars"]);
    for row in rows {
        table.add_row([text(row.customer), number(row.orders), number(row.approved)]);
    }
    let of = views.count(Select::<CustomerTotal>::all())?;
    let mut printed = format!("Best of {of} customers with an approved order\n{table}");
    if let Some(next) = next {
        printed.push_str(&format!("\nmore with --after {next}"));
    }
    Ok(printed)
}

/// Returns all orders of a customer.
///
/// # Errors
/// When the view cannot be read.
pub fn orders_of(views: &ViewSnapshot, customer: CustomerId) -> Result<String, ViewError> {
    let orders = views.select(Order::of(customer))?;
    if orders.is_empty() {
        return Ok(format!("Customer {customer} has no orders."));
    }
    let mut table = table(["order", "date", "CDs", "dollars", "decision"]);
    for order in orders {
        table.add_row([
            number(order.number),
            text(order.purchase.date),
            number(order.purchase.cds),
            number(order.purchase.total),
            text(order.decision),
        ]);
    }
    let approved = views.get::<CustomerTotal>(customer)?;
    let approved = approved.map(|total| total.approved).unwrap_or_default();
    Ok(format!(
        "Orders of customer {customer}, approved for {approved}\n{table}"
    ))
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}

fn text(value: impl Display) -> Cell {
    Cell::new(value)
}

fn number(value: impl Display) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}
