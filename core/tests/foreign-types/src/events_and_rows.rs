//! An event with fields of other crates' types, tagged with them, and a view that is found by them.

use chrono::{DateTime, Utc};
use jiff::civil::Date;
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::view::Select;
use midgard::{
    Context, Event, HandlerError, MemoryStore, Midgard, Project, Projection, Store, StreamName,
    View, Views, block_on,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Event)]
#[event(name = "invoice.sent")]
struct InvoiceSent {
    #[event(tag = "invoice")]
    invoice: Uuid,
    #[event(tag = "due")]
    due: Date,
    #[event(tag = "total")]
    total: Decimal,
    #[event(tag = "at")]
    at: DateTime<Utc>,
    paid: Option<jiff::Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = invoice, index(due, ordered), index(total, ordered), index(at), index(paid, ordered))]
struct Invoice {
    invoice: Uuid,
    due: Date,
    total: Decimal,
    at: DateTime<Utc>,
    paid: Option<jiff::Timestamp>,
}

#[derive(Projection)]
#[projection(name = "invoices", events(InvoiceSent), views(Invoice))]
struct Invoices;

impl Project<InvoiceSent> for Invoices {
    async fn project(
        &self,
        event: InvoiceSent,
        context: &mut Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let InvoiceSent {
            invoice,
            due,
            total,
            at,
            paid,
        } = event;
        context.put(Invoice {
            invoice,
            due,
            total,
            at,
            paid,
        })?;
        Ok(())
    }
}

fn sent(number: u128, due: &str, total: &str, paid: Option<&str>) -> InvoiceSent {
    InvoiceSent {
        invoice: Uuid::from_u128(number),
        due: due.parse().unwrap(),
        total: total.parse().unwrap(),
        at: "2024-11-30T14:00:00Z".parse().unwrap(),
        paid: paid.map(|time| time.parse().unwrap()),
    }
}

#[test]
fn rows_are_found_by_ranges_of_other_crates_types() {
    let store = MemoryStore::new();
    let events = [
        sent(1, "2024-02-29", "9.50", None),
        sent(2, "1999-12-31", "10", Some("2000-01-01T00:00:00Z")),
        sent(3, "2025-01-01", "-3.1", Some("1969-07-20T20:17:40Z")),
    ];
    let events = events.map(|event| NewEvent::encode(&event).unwrap());
    assert_eq!(
        events[0].tags.view().iter().collect::<Vec<_>>(),
        [
            "invoice:00000000-0000-0000-0000-000000000001",
            "due:2024-02-29",
            "total:9.50",
            "at:2024-11-30 14:00:00 UTC"
        ]
    );
    let name = StreamName::new("invoices").unwrap();
    block_on(store.append(Append::to(name, ExpectedVersion::NoStream, events))).unwrap();
    let views = Views::new(store.clone());
    let midgard = Midgard::new(store).project(Invoices, views.clone());
    block_on(midgard.catch_up()).unwrap();

    let snapshot = views.snapshot().unwrap();
    let found = |select: Select<Invoice>| -> Vec<u128> {
        let rows = snapshot.select(select).unwrap();
        rows.iter().map(|row| row.invoice.as_u128()).collect()
    };
    assert_eq!(
        found(Invoice::by_due_range(Date::constant(2000, 1, 1)..)),
        [1, 3]
    );
    assert_eq!(found(Invoice::by_total_range(..Decimal::from(10))), [3, 1]);
    assert_eq!(found(Invoice::by_total(Decimal::new(100, 1))), [2]);
    assert_eq!(found(Invoice::ordered_by_paid()), [1, 3, 2]);
    let at: DateTime<Utc> = "2024-11-30T14:00:00Z".parse().unwrap();
    assert_eq!(found(Invoice::by_at(at)), [1, 2, 3]);
    let row = snapshot
        .get::<Invoice>(Uuid::from_u128(2))
        .unwrap()
        .unwrap();
    assert_eq!(row.total, Decimal::TEN);
}
