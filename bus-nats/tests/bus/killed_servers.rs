//! The server is killed again and again.

use super::kit::{PATIENCE, event, open, parts, publish, queue, runtime, subscribe};
use midgard::bus::{BusError, Deliveries};
use midgard_test_servers as servers;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const KILLS: usize = 30;

#[test]
fn nothing_is_lost_and_order_is_kept_when_the_server_is_killed_thirty_times() {
    let name = "nothing_is_lost_and_order_is_kept_when_the_server_is_killed_thirty_times";
    let Some(mut server) = servers::nats(name) else {
        return;
    };
    let address = server.address();
    let received = Arc::new(AtomicUsize::new(0));
    let kills = Arc::new(AtomicUsize::new(0));
    let killer = std::thread::spawn({
        let (received, kills) = (Arc::clone(&received), Arc::clone(&kills));
        move || {
            while kills.load(Ordering::SeqCst) < KILLS {
                // Something came through since the last time.
                let before = received.load(Ordering::SeqCst);
                while received.load(Ordering::SeqCst) < before + 20 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                server.kill();
                server.restart().unwrap();
                kills.fetch_add(1, Ordering::SeqCst);
            }
            server
        }
    });
    runtime().block_on(async {
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("killed", "killed").with_in_flight(50)).await;
        let publisher = tokio::spawn({
            let (bus, kills) = (open(&address), Arc::clone(&kills));
            async move {
                let mut number = 0_usize;
                // Some after the last kill, too.
                while kills.load(Ordering::SeqCst) < KILLS || !number.is_multiple_of(1000) {
                    let keys = ["ann", "bob", "cid", "dan", "eve"];
                    let batch = Vec::from_iter(
                        (number..number + 100).map(|n| event("killed", keys[n % 5], n / 5)),
                    );
                    publish(&bus, &batch).await;
                    number += 100;
                }
                number
            }
        });
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut all = 0;
        let mut published = usize::MAX;
        let mut publisher = Some(publisher);
        while all < published {
            if publisher.as_ref().is_some_and(JoinHandle::is_finished)
                && let Some(publisher) = publisher.take()
            {
                published = publisher.await.unwrap();
                continue;
            }
            let Ok(message) = timeout(PATIENCE, deliveries.next()).await else {
                panic!("{all} of {published} messages came, and no more");
            };
            let message = message.unwrap();
            let (key, number) = parts(&message);
            let below = seen.entry(key.clone()).or_default();
            assert!(
                number <= *below,
                "{key}: {number} came before {below} ever did"
            );
            if number == *below {
                *below += 1;
                all += 1;
                received.store(all, Ordering::SeqCst);
            }
            if let Err(error) = message.acknowledge().await {
                assert!(matches!(error, BusError::Unavailable { .. }), "{error}");
            }
        }
    });
    assert_eq!(kills.load(Ordering::SeqCst), KILLS);
    drop(killer.join().unwrap());
}
