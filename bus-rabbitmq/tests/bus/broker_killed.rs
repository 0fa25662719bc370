//! A broker that is killed again and again, while messages are published and received.

use crate::common::runtime;
use midgard::bus::{Deliveries, Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_test_servers as servers;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const KEYS: usize = 7;
const BATCH: usize = 20;
/// How often the broker is killed; `KILLS` says another number.
const KILLS: usize = 5;

fn message(number: usize) -> Message {
    Message::event("tests", "counted", 1, number.to_string().into_bytes())
        .with_key(format!("key-{}", number % KEYS))
}

/// Receives like a service: the messages that it was given before are of no interest to it.
async fn receive(
    bus: RabbitMqBus,
    queue: Queue,
    seen: Arc<std::sync::Mutex<BTreeMap<String, usize>>>,
    handled: Arc<AtomicUsize>,
    end: usize,
    // After how many messages it is dropped with what it has, and begins anew.
    life: usize,
) {
    while handled.load(Ordering::SeqCst) < end {
        let Ok(mut deliveries) = bus.subscribe(&queue).await else {
            continue;
        };
        let mut unsettled = Vec::new();
        for _ in 0..life {
            if handled.load(Ordering::SeqCst) >= end {
                return;
            }
            let next = tokio::time::timeout(Duration::from_millis(500), deliveries.next());
            let Ok(Ok(received)) = next.await else {
                continue;
            };
            let message = received.content.as_ref().unwrap();
            let number: usize = str::from_utf8(&message.payload).unwrap().parse().unwrap();
            {
                let mut seen = seen.lock().unwrap();
                let next = seen.entry(message.key.clone()).or_insert(number % KEYS);
                assert!(number <= *next, "{number} came before {next} ever did");
                if number == *next {
                    *next += KEYS;
                    handled.fetch_add(1, Ordering::SeqCst);
                }
            }
            unsettled.push(received);
            // Some stay unsettled for a while.
            if unsettled.len() > 10 {
                let _ = unsettled.remove(0).acknowledge().await;
            }
        }
    }
}

#[test]
fn nothing_is_lost_and_the_order_is_kept_over_many_kills() {
    let Some(mut broker) =
        servers::lent_rabbitmq("nothing_is_lost_and_the_order_is_kept_over_many_kills")
    else {
        return;
    };
    let kills = std::env::var("KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    runtime().block_on(async {
        let queue = Queue::new("counting", [Topic::event("counted")]).with_in_flight(50);
        let publisher = RabbitMqBus::connect(&broker.address()).await.unwrap();
        publisher.declare(&queue).await.unwrap();

        let stop = Arc::new(AtomicBool::new(false));
        let published = Arc::new(AtomicUsize::new(0));
        let (seen, handled) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let publishing = tokio::spawn({
            let (stop, published) = (Arc::clone(&stop), Arc::clone(&published));
            let handled = Arc::clone(&handled);
            async move {
                let mut from = 0;
                while !stop.load(Ordering::SeqCst) {
                    // Never far ahead of the receivers, however slow the machine is.
                    if from > handled.load(Ordering::SeqCst) + 2_000 {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                        continue;
                    }
                    let batch: Vec<_> = (from..from + BATCH).map(message).collect();
                    // As an outbox does: the same again, until it is confirmed.
                    while publisher.publish(&batch).await.is_err() {}
                    from += BATCH;
                    published.store(from, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });

        let mut receivers = Vec::new();
        // Two processes' worth of connections; one is at work.
        for life in [300, 200] {
            let bus = RabbitMqBus::connect(&broker.address()).await.unwrap();
            receivers.push(tokio::spawn(receive(
                bus,
                queue.clone(),
                Arc::clone(&seen),
                Arc::clone(&handled),
                usize::MAX,
                life,
            )));
        }
        for _ in 0..kills {
            let before = handled.load(Ordering::SeqCst);
            while handled.load(Ordering::SeqCst) < before + 1000 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(receivers.iter().all(|receiver| !receiver.is_finished()));
            }
            tokio::task::block_in_place(|| {
                broker.kill();
                broker.restart().unwrap();
            });
        }
        stop.store(true, Ordering::SeqCst);
        publishing.await.unwrap();
        let all = published.load(Ordering::SeqCst);
        let wait = async {
            while handled.load(Ordering::SeqCst) < all {
                tokio::time::sleep(Duration::from_millis(10)).await;
                assert!(receivers.iter().all(|receiver| !receiver.is_finished()));
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(180), wait).await;
        assert!(
            waited.is_ok(),
            "{} of {all}",
            handled.load(Ordering::SeqCst)
        );
        for receiver in receivers {
            receiver.abort();
        }
    });
}
