//! Commands and answers that nobody asks for: they are in nobody's way, stay in order, and leave once somebody does.

use super::kit::{Outlet, Running, Told, append, number, start, tell, within};
use midgard::bus::Purpose;
use midgard::consumer::{ConsumerOptions, ConsumerState, FailurePolicy, RunError};
use midgard::event::NewEvent;
use midgard::{MemoryStore, Midgard, Outbox, Place, Position, block_on};
use serde_json::json;

fn midgard(store: &MemoryStore, bus: &Outlet) -> Midgard<MemoryStore> {
    midgard_with(
        store,
        bus,
        ConsumerOptions::new().on_failure(FailurePolicy::retry(0).then_park()),
    )
}

fn midgard_with(
    store: &MemoryStore,
    bus: &Outlet,
    options: ConsumerOptions,
) -> Midgard<MemoryStore> {
    let outbox = Outbox::new("orders").publish::<Told>().options(options);
    Midgard::new(store.clone()).outbox(outbox, bus.clone())
}

/// Lets a process send a command, as the log has it.
fn send(
    store: &MemoryStore,
    process: &str,
    service: &str,
    key: Option<&str>,
    number: u64,
) -> Position {
    let sent = json!({
        "name": "count", "version": 1, "service": service, "key": key, "reply_to": "placement",
        "data": {"for": service, "number": number},
    });
    let sent = NewEvent::json("midgard.command_sent", 1, sent.to_string().into_bytes());
    append(store, process, sent)
}

/// Lets a service answer a command, as the log has it.
fn answer(store: &MemoryStore, to: &str, number: u64) -> Position {
    let answered = json!({
        "command": format!("command-{number}"), "subject": format!("placement-{number}"), "to": to,
        "name": "counted", "version": 1, "data": {"for": to, "number": number},
    });
    let answered = NewEvent::json(
        "midgard.command_answered",
        1,
        answered.to_string().into_bytes(),
    );
    append(store, "customers.replies", answered)
}

/// The numbers of what has arrived with a key, in order.
fn of_key(bus: &Outlet, key: &str) -> Vec<u64> {
    let published = bus.published();
    let of_key = published.iter().filter(|message| message.key == key);
    of_key.map(number).collect()
}

fn errors(running: &Running) -> Vec<String> {
    let letters = block_on(running.handle.dead_letters("outbox")).unwrap();
    letters.into_iter().map(|letter| letter.error).collect()
}

#[test]
fn a_command_to_a_service_that_is_gone_is_in_nobodys_way_and_leaves_in_order_when_it_is_back() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"for\":\"gone\""]);
    // Of one key, whichever process sends them; and of one process without a key.
    for number in 0..10 {
        send(
            &store,
            &format!("placement-{number}"),
            "gone",
            Some("ann"),
            number,
        );
        send(&store, "placement-x", "gone", None, number);
        send(
            &store,
            &format!("placement-{number}"),
            "there",
            Some("ann"),
            100 + number,
        );
        tell(&store, "told-1", "bob", number);
    }
    let end = tell(&store, "told-1", "bob", 10);
    let running = start(midgard(&store, &bus));
    running.wait("outbox", end);
    assert_eq!(of_key(&bus, "bob"), (0..=10).collect::<Vec<_>>());
    assert_eq!(of_key(&bus, "ann"), (100..110).collect::<Vec<_>>());
    let status = running.handle.status_of("outbox").unwrap();
    assert_eq!(
        (status.state, status.parked),
        (ConsumerState::Live, 2),
        "sequences"
    );
    assert_eq!(errors(&running).len(), 20);
    let error = status.last_error.unwrap().message;
    assert!(
        error.starts_with("nobody has a queue for command.gone.count, so that message ")
            && error.contains("leaves when a service asks for it")
            && error.ends_with("or give it up with `MidgardHandle::evict`"),
        "{error}"
    );
    // Later ones of the key wait behind them.
    bus.unhear(&[]);
    let end = send(&store, "placement-y", "gone", Some("ann"), 10);
    running.wait("outbox", end);
    running.wait_until("outbox", |status| status.parked == 0);
    assert_eq!(of_key(&bus, "ann")[10..], (0..=10).collect::<Vec<_>>());
    assert_eq!(of_key(&bus, "placement-x"), (0..10).collect::<Vec<_>>());
    running.stop().unwrap();
}

/// Each costs a try at the bus, and none a wait.
#[test]
fn answers_to_places_that_are_made_up_do_not_hold_up_the_rest() {
    const STRANGERS: u64 = 500;
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"for\":\"made-up-"]);
    for number in 0..STRANGERS {
        answer(&store, &format!("made-up-{number}"), number);
        tell(&store, "told-1", "bob", number);
    }
    let end = answer(&store, "placement", STRANGERS);
    let running = start(midgard(&store, &bus));
    running.wait("outbox", end);
    assert_eq!(of_key(&bus, "bob"), (0..STRANGERS).collect::<Vec<_>>());
    let last = bus.published().pop().unwrap();
    let to = "placement".to_owned();
    assert_eq!(last.purpose, Purpose::Reply { to });
    let tries = bus.calls() as u64;
    assert!(tries < 4 * STRANGERS, "{tries} tries for {STRANGERS}");
    let errors = errors(&running);
    assert_eq!(errors.len() as u64, STRANGERS);
    assert!(
        errors[0].starts_with("nobody has a queue for reply.made-up-0, "),
        "{}",
        errors[0]
    );
    running.stop().unwrap();
}

#[test]
fn an_answer_comes_back_when_somebody_listens_soon() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"for\":\"late\""]);
    answer(&store, "late", 1);
    let running = start(midgard(&store, &bus));
    running.wait_until("outbox", |status| status.parked == 1);
    bus.unhear(&[]);
    running.wait_until("outbox", |status| status.parked == 0);
    assert_eq!(bus.numbers(), [1]);
    running.stop().unwrap();
}

#[test]
fn a_command_that_is_given_up_does_not_leave_and_what_followed_it_does() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"for\":\"gone\""]);
    let first = send(&store, "placement-1", "gone", Some("ann"), 1);
    send(&store, "placement-2", "gone", Some("ann"), 2);
    let running = start(midgard(&store, &bus));
    running.wait_until("outbox", |_| errors(&running).len() == 2);
    block_on(running.handle.evict("outbox", Place::main(first))).unwrap();
    running.wait_until("outbox", |_| errors(&running).len() == 1);
    bus.unhear(&[]);
    running.wait_until("outbox", |status| status.parked == 0);
    assert_eq!(bus.numbers(), [2]);
    running.stop().unwrap();
}

#[test]
fn an_unheard_command_is_not_skipped_and_stops_nothing_whatever_the_policy_for_failures() {
    let policies = [
        FailurePolicy::retry(0).then_skip(),
        FailurePolicy::retry(0).then_stop(),
    ];
    for policy in policies {
        let (store, bus) = (MemoryStore::new(), Outlet::default());
        bus.unhear(&["\"for\":\"gone\""]);
        send(&store, "placement-1", "gone", None, 1);
        let end = tell(&store, "told-1", "bob", 2);
        let running = start(midgard_with(
            &store,
            &bus,
            ConsumerOptions::new().on_failure(policy),
        ));
        running.wait("outbox", end);
        running.wait_until("outbox", |status| status.parked == 1);
        running.stop().unwrap();
    }
}

#[test]
fn what_is_to_leave_all_at_once_fails_for_a_command_and_not_for_an_answer() {
    let (store, bus) = (MemoryStore::new(), Outlet::default());
    bus.unhear(&["\"for\":\"gone\"", "\"for\":\"made-up\""]);
    answer(&store, "made-up", 1);
    tell(&store, "told-1", "bob", 2);
    within(midgard(&store, &bus).catch_up()).unwrap();
    assert_eq!(bus.numbers(), [2]);
    send(&store, "placement-1", "gone", None, 3);
    let ended = within(midgard(&store, &bus).catch_up());
    let Err(RunError::Failed { message, .. }) = ended else {
        panic!("{ended:?}")
    };
    assert!(
        message.starts_with("nobody has a queue for command.gone.count"),
        "{message}"
    );
}
