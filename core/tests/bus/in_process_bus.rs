//! The bus within a process, beyond what every bus promises: many threads, verdicts that come too late, what is set
//! aside, and who waits for what.

use super::traced_to::traced_to;
use event_listener::{Event, EventListener};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use midgard::block_on;
use midgard::bus::{
    BusError, Deliveries, ForeignMessage, InProcessBus, Message, Published, Publisher, Queue,
    Received, Subscriber, Topic,
};
use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::thread;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

fn queue(name: &str) -> Queue {
    Queue::new(name, [Topic::event("order.placed")])
}

fn order(key: &str, number: usize) -> Message {
    let data = number.to_string().into_bytes();
    Message::event("orders", "order.placed", 1, data).with_key(key)
}

fn number(received: &Received) -> usize {
    let data = &received.content.as_ref().unwrap().payload;
    str::from_utf8(data).unwrap().parse().unwrap()
}

/// Puts messages into their queues, and waits for nobody.
fn put(bus: &InProcessBus, messages: &[Message]) {
    let published = bus.publish(messages).now_or_never();
    assert!(published.is_none(), "somebody is to handle them");
}

/// What comes next, if something is there.
fn next(deliveries: &mut impl Deliveries) -> Option<Received> {
    deliveries.next().now_or_never().map(Result::unwrap)
}

/// What came out of one queue, in the order in which it did, and what was acknowledged.
#[derive(Default)]
struct Seen {
    received: Mutex<Vec<(String, usize)>>,
    acknowledged: Mutex<Vec<(String, usize)>>,
}

fn name(received: &Received) -> (String, usize) {
    let message = received.content.as_ref().unwrap();
    (message.key.clone(), number(received))
}

/// Receives in rounds, each of which ends in the middle of something, until it is told to stop.
async fn receive(bus: &InProcessBus, queue: &Queue, seen: &Seen, mut stop: EventListener) {
    // Counted over all rounds, so that not all of them give everything back.
    let mut turns = 0;
    loop {
        let mut deliveries = bus.subscribe(queue).await.unwrap();
        let mut held = VecDeque::new();
        for _ in 0..60 {
            turns += 1;
            let received = match next(&mut deliveries) {
                Some(received) => received,
                None if !held.is_empty() => break,
                None => match select(pin!(deliveries.next()), &mut stop).await {
                    Either::Left((received, _)) => received.unwrap(),
                    Either::Right(_) => return,
                },
            };
            seen.received.lock().unwrap().push(name(&received));
            held.push_back(received);
            if turns % 5 > 1
                && let Some(received) = held.pop_front()
            {
                seen.acknowledged.lock().unwrap().push(name(&received));
                received.acknowledge().await.unwrap();
            }
        }
    }
}

#[test]
fn many_threads_lose_nothing_and_keep_the_order() {
    let bus = InProcessBus::new();
    let queues = ["one", "two"].map(|name| queue(name).with_in_flight(16));
    let seen = [Seen::default(), Seen::default()];
    let stop = Event::new();
    for queue in &queues {
        block_on(bus.declare(queue)).unwrap();
    }
    thread::scope(|scope| {
        for (queue, seen) in queues.iter().zip(&seen) {
            for _ in 0..3 {
                let (bus, stop) = (bus.clone(), stop.listen());
                scope.spawn(move || block_on(receive(&bus, queue, seen, stop)));
            }
        }
        let publishers = ["ann", "bob", "cid"].map(|key| {
            let bus = bus.clone();
            scope.spawn(move || {
                for batch in 0..15 {
                    let numbers = batch * 100..(batch + 1) * 100;
                    let orders = Vec::from_iter(numbers.map(|number| order(key, number)));
                    let published = block_on(bus.publish(&orders)).unwrap();
                    assert_eq!(published, Published::all());
                }
            })
        });
        for publisher in publishers {
            publisher.join().unwrap();
        }
        // All is handled, or it would not be confirmed.
        stop.notify(usize::MAX);
    });
    for seen in seen {
        let received = seen.received.into_inner().unwrap();
        for key in ["ann", "bob", "cid"] {
            let of_key = received.iter().filter(|(other, _)| other == key);
            let mut below = 0;
            for (_, number) in of_key {
                assert!(*number <= below, "{key}: {number} came before {below}");
                below = below.max(number + 1);
            }
            assert_eq!(below, 1_500, "{key}");
        }
        let acknowledged = seen.acknowledged.into_inner().unwrap();
        let different: HashSet<_> = acknowledged.iter().collect();
        assert_eq!(
            (acknowledged.len(), different.len()),
            (4_500, 4_500),
            "each of them once"
        );
        assert!(
            received.len() > 4_500,
            "some were given back, and came again"
        );
    }
}

#[test]
fn message_that_is_given_back_comes_again_at_once_and_in_its_place() {
    let bus = InProcessBus::new();
    let mut deliveries = block_on(bus.subscribe(&queue("one").with_in_flight(3))).unwrap();
    put(
        &bus,
        &[
            order("ann", 0),
            order("ann", 1),
            order("ann", 2),
            order("ann", 3),
        ],
    );
    let first = next(&mut deliveries).unwrap();
    let second = next(&mut deliveries).unwrap();
    drop((second, first));
    for expected in [0, 1] {
        let received = next(&mut deliveries).unwrap();
        assert_eq!(
            (number(&received), received.is_redelivered),
            (expected, true)
        );
        block_on(received.acknowledge()).unwrap();
    }
    let received = next(&mut deliveries).unwrap();
    assert_eq!((number(&received), received.is_redelivered), (2, false));
}

#[test]
fn verdict_after_the_receiver_is_gone_says_so_and_changes_nothing() {
    let bus = InProcessBus::new();
    let mut first = block_on(bus.subscribe(&queue("one"))).unwrap();
    put(&bus, &[order("ann", 0), order("ann", 1)]);
    let held = [next(&mut first).unwrap(), next(&mut first).unwrap()];
    drop(first);
    let mut second = block_on(bus.subscribe(&queue("one"))).unwrap();
    let again = next(&mut second).unwrap();
    let [late, later] = held;
    let error = block_on(late.acknowledge()).unwrap_err();
    assert!(matches!(error, BusError::Closed { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the bus at this process is closed; open it again"
    );
    assert!(block_on(later.set_aside("late")).is_err());
    assert_eq!(bus.set_aside("one"), []);
    assert_eq!(number(&again), 0);
    block_on(again.acknowledge()).unwrap();
    assert_eq!(number(&next(&mut second).unwrap()), 1);
}

#[test]
fn queue_that_stays_is_not_made_temporary() {
    let bus = InProcessBus::new();
    block_on(bus.declare(&queue("one"))).unwrap();
    let error = block_on(bus.declare(&queue("one").temporary())).unwrap_err();
    assert!(matches!(error, BusError::Unusable { .. }), "{error:?}");
    let sentence = "the bus at this process cannot be used: queue \"one\" was declared permanent and is now declared \
                    temporary; use another name";
    assert_eq!(error.to_string(), sentence);
    assert!(block_on(bus.subscribe(&queue("one").temporary())).is_err());
}

#[test]
fn what_was_set_aside_is_listed_as_it_came() {
    let bus = InProcessBus::new();
    let mut deliveries = block_on(bus.subscribe(&queue("one"))).unwrap();
    let sent = order("ann", 0);
    put(&bus, std::slice::from_ref(&sent));
    let foreign = ForeignMessage::new("it is garbage", Vec::new(), b"?".to_vec());
    bus.send_foreign(&Topic::event("order.placed"), foreign.clone());
    bus.send_foreign(&Topic::event("nobody.asks"), foreign.clone());
    for reason in ["first", "second"] {
        let received = next(&mut deliveries).unwrap();
        block_on(received.set_aside(reason)).unwrap();
    }
    assert!(next(&mut deliveries).is_none());
    let aside = bus.set_aside("one").into_iter();
    let aside = Vec::from_iter(aside.map(|one| (one.reason, one.content)));
    let expected = [
        ("first".to_owned(), Ok(sent)),
        ("second".to_owned(), Err(foreign)),
    ];
    assert_eq!(aside, expected);
    assert_eq!(bus.set_aside("no such queue"), []);
}

#[test]
fn standby_of_a_temporary_queue_keeps_it() {
    let bus = InProcessBus::new();
    let temporary = queue("one").temporary();
    let first = block_on(bus.subscribe(&temporary)).unwrap();
    let mut second = block_on(bus.subscribe(&temporary)).unwrap();
    put(&bus, &[order("ann", 0)]);
    drop(first);
    assert_eq!(number(&next(&mut second).unwrap()), 0);
    drop(second);
    let published = block_on(bus.publish(&[order("ann", 1)])).unwrap();
    assert_eq!(
        published,
        Published::but(vec![0]),
        "the queue is gone with the last of them"
    );
}

#[test]
fn receiver_that_stands_by_and_goes_changes_nothing() {
    let bus = InProcessBus::new();
    let mut first = block_on(bus.subscribe(&queue("one"))).unwrap();
    let second = block_on(bus.subscribe(&queue("one"))).unwrap();
    put(&bus, &[order("ann", 0), order("ann", 1)]);
    let held = next(&mut first).unwrap();
    drop(second);
    assert_eq!(
        number(&next(&mut first).unwrap()),
        1,
        "0 is still with the first"
    );
    block_on(held.acknowledge()).unwrap();
}

#[test]
fn wide_batch_waits_for_its_slowest_queue_only() {
    let bus = InProcessBus::new();
    let paid = Queue::new("two", [Topic::event("order.paid")]);
    let mut one = block_on(bus.subscribe(&queue("one"))).unwrap();
    let two = block_on(bus.subscribe(&paid)).unwrap();
    let slow = Message::event("orders", "order.paid", 1, Vec::new());
    put(&bus, &[slow]);
    // Another batch has nothing to do with what waits in the other queue.
    let orders = [order("ann", 0)];
    let mut publish = pin!(bus.publish(&orders));
    assert!(publish.as_mut().now_or_never().is_none());
    block_on(next(&mut one).unwrap().acknowledge()).unwrap();
    assert_eq!(block_on(publish).unwrap(), Published::all());
    drop(two);
}

/// Keeps the fields of all that is warned of.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<String>>);

impl Visit for Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0
            .lock()
            .unwrap()
            .push_str(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn who_takes_topics_away_from_a_queue_warns_of_it() {
    let warnings = Warnings::default();
    let said = || std::mem::take(&mut *warnings.0.lock().unwrap());
    traced_to(warnings.clone(), || {
        let bus = InProcessBus::new();
        let topics = ["order.placed", "order.cancelled"].map(Topic::event);
        let one = Queue::new("customers", topics);
        let more = one.topics().iter().cloned().chain([Topic::event("x")]);
        let more = Queue::new("customers", more);
        for queue in [&one, &one, &more] {
            block_on(bus.declare(queue)).unwrap();
        }
        assert_eq!(said(), "", "nothing is taken away");
        block_on(bus.declare(&queue("customers"))).unwrap();
    });
    let said = said();
    assert!(
        said.contains("queue=\"customers\"")
            && said.contains("removed=\"event.order.cancelled, event.x\"")
            && said.contains("if another service has an inbox or a process manager of this name"),
        "{said}"
    );
}
