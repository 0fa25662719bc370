//! Several programs at once: each has a store of its own, and they share nothing but the database.

use crate::kit::{RUNTIME, append_to, stream};
use midgard::event::NewEvent;
use midgard::store::{Append, AppendCondition, AppendError, ExpectedVersion, QueryItem, ReadLog};
use midgard::{LogId, Place, Position, Store};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::shared_postgres;
use std::ops::ControlFlow;

const PROGRAMS: usize = 3;
const SEATS: usize = 40;
const CUSTOMERS: usize = 4;

async fn programs(address: &str) -> Vec<PostgresStore> {
    let mut stores = Vec::new();
    for _ in 0..PROGRAMS {
        stores.push(PostgresStore::open(address).await.unwrap());
    }
    stores
}

/// A booking of a seat for a show, unless somebody has the seat. Two tags have to match, of which each alone is on
/// many events.
fn booking(customer: usize, seat: usize) -> Append {
    let (show, seat) = ((seat % 4).to_string(), seat.to_string());
    let booked = NewEvent::json("seat.booked", 1, b"{}".to_vec())
        .with_tag("show", &show)
        .with_tag("seat", &seat);
    let taken = QueryItem::new()
        .name("seat.booked")
        .tag(format!("show:{show}"))
        .tag(format!("seat:{seat}"));
    Append::to(
        stream(&format!("customer-{customer}")),
        ExpectedVersion::Any,
        [booked],
    )
    .unless(AppendCondition {
        query: taken.into(),
        after: Place::START,
    })
}

#[test]
fn each_seat_is_booked_once_by_customers_of_several_programs() {
    let name = "each_seat_is_booked_once_by_customers_of_several_programs";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("seats").unwrap();
    RUNTIME.block_on(async {
        let stores = programs(&address).await;
        let customers = (0..PROGRAMS * CUSTOMERS).map(|customer| {
            let store = stores[customer % PROGRAMS].clone();
            tokio::spawn(async move {
                let mut booked = 0;
                for seat in 0..SEATS {
                    match store.append(booking(customer, seat)).await {
                        Ok(_) => booked += 1,
                        Err(AppendError::ConditionFailed { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                booked
            })
        });
        let mut booked = 0;
        for customer in customers.collect::<Vec<_>>() {
            booked += customer.await.unwrap();
        }
        assert_eq!(booked, SEATS);
        let end = stores[0].last_position(LogId::MAIN).await.unwrap();
        assert_eq!(end, Position(SEATS as u64));
    });
}

#[test]
fn a_reader_at_the_end_of_the_log_misses_nothing_of_several_programs() {
    let name = "a_reader_at_the_end_of_the_log_misses_nothing_of_several_programs";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    const APPENDS: usize = 50;
    let address = server.create_database("tailed").unwrap();
    RUNTIME.block_on(async {
        let stores = programs(&address).await;
        let total = (PROGRAMS * CUSTOMERS * APPENDS) as u64;
        let reader = PostgresStore::open(&address).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut last = Position::ZERO;
            while last < Position(total) {
                reader.wait_past(LogId::MAIN, last).await.unwrap();
                let read = ReadLog::forward().after(last);
                let visit = &mut |event: midgard::event::RecordedEventRef<'_>| {
                    assert_eq!(
                        event.position,
                        last.next(),
                        "one appeared behind the reader"
                    );
                    last = event.position;
                    ControlFlow::Continue(())
                };
                reader.read_log(&read, visit).await.unwrap();
            }
        });
        for customer in 0..PROGRAMS * CUSTOMERS {
            let store = stores[customer % PROGRAMS].clone();
            tokio::spawn(async move {
                for _ in 0..APPENDS {
                    let append = append_to(&format!("customer-{customer}"), ExpectedVersion::Any);
                    store.append(append).await.unwrap();
                }
            });
        }
        reading.await.unwrap();
    });
}
