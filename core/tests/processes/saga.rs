//! The saga of two services: an order is confirmed with its credit, or cancelled without.

use crate::kit::{NEVER, Rough, customers, orders, processes, start, until, until_none_goes_on};
use crate::shop::{
    CancelOrder, Fate, Order, OrderPlaced, Placement, ReserveCredit, append, fates, log, open,
    place,
};
use midgard::bus::InProcessBus;
use midgard::consumer::RunError;
use midgard::{MemoryStore, Midgard, Processes, RemoteCommand, Repository, StartFrom, block_on};
use std::sync::atomic::Ordering;
use std::time::Duration;

fn until_fate(orders: &MemoryStore, customers: &MemoryStore, order: u64, fate: Fate) {
    until("its fate", || {
        let fates = block_on(fates(orders, customers));
        (fates.get(&order) == Some(&fate)).then_some(())
    });
}

fn stores() -> (MemoryStore, MemoryStore) {
    let (orders, customers) = (MemoryStore::new(), MemoryStore::new());
    block_on(open(&customers, 1, 100));
    (orders, customers)
}

#[test]
fn an_order_with_credit_is_confirmed_and_one_without_is_cancelled() {
    let (orders_store, customers_store) = stores();
    let bus = InProcessBus::new();
    let customers = start(customers(&customers_store, bus.clone()));
    let orders = start(orders(&orders_store, bus));
    block_on(place(&orders_store, 1, 1, 60, NEVER));
    until_fate(&orders_store, &customers_store, 1, Fate::CONFIRMED);
    block_on(place(&orders_store, 2, 1, 60, NEVER));
    block_on(place(&orders_store, 3, 1, 40, NEVER));
    until("all to be decided", || {
        let fates = block_on(fates(&orders_store, &customers_store));
        let wanted = [
            (1, Fate::CONFIRMED),
            (2, Fate::CANCELLED),
            (3, Fate::CONFIRMED),
        ];
        (fates == wanted.into()).then_some(())
    });
    until_none_goes_on(&orders.handle, "placement");
    orders.stop();
    customers.stop();
}

#[test]
fn correlation_goes_through_both_services_and_causation_leads_back_to_the_order() {
    let (orders_store, customers_store) = stores();
    let bus = InProcessBus::new();
    let customers = start(customers(&customers_store, bus.clone()));
    let orders = start(orders(&orders_store, bus));
    block_on(place(&orders_store, 1, 1, 60, NEVER));
    until_fate(&orders_store, &customers_store, 1, Fate::CONFIRMED);
    orders.stop();
    customers.stop();
    let log_of_orders = block_on(log(&orders_store));
    let placed = log_of_orders[0].id;
    let log_of_customers = block_on(log(&customers_store));
    let others = log_of_orders.iter().chain(&log_of_customers);
    let others = others.filter(|event| event.id != placed && event.name != "customer.opened");
    let mut count = 0;
    for event in others {
        assert_eq!(event.metadata.correlation_id(), Some(placed), "{event:?}");
        count += 1;
    }
    // Reacted, sent; reserved, answered; reacted, confirmed.
    assert_eq!(count, 6);
    let of = |name: &str| {
        let mut events = log_of_orders.iter().chain(&log_of_customers);
        events.find(|event| event.name == name).unwrap()
    };
    let sent = of("midgard.command_sent");
    assert_eq!(sent.metadata.causation_id(), Some(placed));
    assert_eq!(of("credit.reserved").metadata.causation_id(), Some(sent.id));
    let confirmed = of("order.confirmed").metadata.causation_id();
    assert_eq!(confirmed, Some(of("midgard.command_answered").id));
}

#[test]
fn an_order_that_waits_too_long_is_cancelled_and_late_credit_is_given_back() {
    let (orders_store, customers_store) = stores();
    let bus = InProcessBus::new();
    let orders = start(orders(&orders_store, bus.clone()));
    block_on(place(&orders_store, 1, 1, 60, 30));
    // Nobody answers.
    until("the deadline", || {
        let fates = block_on(fates(&orders_store, &customers_store));
        (fates[&1].cancelled == 1).then_some(())
    });
    let going_on = processes(&orders.handle, "placement");
    assert_eq!(going_on.len(), 1);
    assert_eq!(going_on[0].id, "1");
    assert_eq!(going_on[0].waiting_for, ["credit.reserve"]);
    assert_eq!(going_on[0].deadline, None);
    let customers = start(customers(&customers_store, bus));
    until_none_goes_on(&orders.handle, "placement");
    let fates = block_on(fates(&orders_store, &customers_store));
    assert_eq!(fates[&1], Fate::RELEASED);
    orders.stop();
    customers.stop();
}

#[test]
fn a_deadline_tells_what_led_to_it() {
    let (orders_store, _) = stores();
    let orders = start(orders(&orders_store, InProcessBus::new()));
    block_on(place(&orders_store, 1, 1, 60, 1));
    let cancelled = || {
        let log = block_on(log(&orders_store));
        log.iter()
            .any(|event| event.name == "order.cancelled")
            .then_some(log)
    };
    let log = until("the deadline", cancelled);
    orders.stop();
    let of = |name: &str| log.iter().find(|event| event.name == name).unwrap();
    let cancelled = &of("order.cancelled").metadata;
    assert_eq!(cancelled.correlation_id(), Some(of("order.placed").id));
    assert_eq!(
        cancelled.causation_id(),
        Some(of("midgard.process_reacted").id)
    );
}

#[test]
fn an_order_that_is_cancelled_by_others_gives_its_credit_back() {
    let (orders_store, customers_store) = stores();
    let bus = Rough::default();
    let customers = start(customers(&customers_store, bus.clone()));
    bus.is_down.store(true, Ordering::SeqCst);
    let orders = start(orders(&orders_store, bus.clone()));
    block_on(place(&orders_store, 1, 1, 60, NEVER));
    until("the command", || {
        (processes(&orders.handle, "placement").len() == 1).then_some(())
    });
    let repository = Repository::<Order, _>::new(orders_store.clone());
    block_on(repository.execute(&1, &CancelOrder(1, "changed my mind"))).unwrap();
    bus.is_down.store(false, Ordering::SeqCst);
    until_fate(&orders_store, &customers_store, 1, Fate::RELEASED);
    until_none_goes_on(&orders.handle, "placement");
    orders.stop();
    customers.stop();
}

#[test]
fn a_process_manager_that_sends_commands_is_refused_without_a_bus_for_the_answers() {
    let midgard = Midgard::new(MemoryStore::new())
        .process_manager(Processes::<Placement>::new(StartFrom::Start));
    let error = block_on(midgard.run()).unwrap_err();
    let name = "placement".to_owned();
    assert_eq!(error, RunError::NoReplies { name });
    assert!(
        error.to_string().contains("Processes::replies_from"),
        "{error}"
    );
}

#[test]
fn a_process_that_waits_is_listed_with_what_it_waits_for_and_is_stuck_only_after_its_deadline() {
    let (store, _) = stores();
    let orders = start(orders(&store, InProcessBus::new()));
    block_on(place(&store, 7, 1, 60, NEVER));
    let process = until("the process", || {
        processes(&orders.handle, "placement").pop()
    });
    assert_eq!((&*process.id, process.is_parked), ("7", false));
    assert_eq!(process.waiting_for, [ReserveCredit::NAME]);
    let placed = block_on(log(&store))[0].time;
    let wait = process.deadline.unwrap().as_micros() - placed.as_micros();
    assert!(
        (NEVER * 1000..(NEVER + 60_000) * 1000).contains(&wait),
        "{wait}"
    );
    let stuck = orders.handle.stuck_processes("placement", Duration::ZERO);
    assert_eq!(block_on(stuck).unwrap(), [], "its deadline moves it");
    orders.stop();
}

#[test]
fn an_event_for_a_process_that_is_over_reaches_it_and_lists_it_no_more() {
    let (orders_store, customers_store) = stores();
    let bus = InProcessBus::new();
    let customers = start(customers(&customers_store, bus.clone()));
    let orders = start(orders(&orders_store, bus));
    block_on(place(&orders_store, 1, 1, 200, NEVER));
    until_fate(&orders_store, &customers_store, 1, Fate::CANCELLED);
    until("the own cancellation", || {
        let log = block_on(log(&orders_store));
        let own = log
            .iter()
            .filter(|event| event.stream.as_str() == "placement-1");
        // Placed, sent, refused, cancelled.
        (own.count() == 4).then_some(())
    });
    assert_eq!(processes(&orders.handle, "placement"), []);
    orders.stop();
    customers.stop();
}

#[test]
fn where_it_begins_is_said_once() {
    let (store, _) = stores();
    block_on(place(&store, 1, 1, 60, NEVER));
    let bus = InProcessBus::new();
    let from = |start| {
        let placements = Processes::<Placement>::new(start).replies_from(bus.clone());
        Midgard::new(store.clone())
            .outbox_elsewhere()
            .process_manager(placements)
    };
    block_on(from(StartFrom::End).catch_up()).unwrap();
    let placed = OrderPlaced {
        order: 2,
        customer: 1,
        cents: 60,
        patience: NEVER,
    };
    block_on(append(&store, "order-2", &placed));
    let midgard = from(StartFrom::Start);
    let handle = midgard.handle();
    block_on(midgard.catch_up()).unwrap();
    let ids: Vec<_> = processes(&handle, "placement")
        .into_iter()
        .map(|process| process.id)
        .collect();
    assert_eq!(ids, ["2"]);
}

#[test]
fn a_process_manager_that_sends_commands_is_not_run_without_an_outbox() {
    let placements =
        Processes::<Placement>::new(StartFrom::Start).replies_from(InProcessBus::new());
    let midgard = Midgard::new(MemoryStore::new()).process_manager(placements);
    let error = block_on(midgard.run()).unwrap_err();
    assert!(matches!(error, RunError::NoOutbox { .. }), "{error}");
    assert!(
        error.to_string().starts_with(
            "process manager \"placement\" sends commands, and nothing takes them out of the log; "
        ),
        "{error}"
    );
}
