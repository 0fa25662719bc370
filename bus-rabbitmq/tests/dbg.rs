mod common;
#[path = "common/log.rs"]
mod log;
use common::runtime;
use midgard::bus::{Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::RabbitMqBus;
use std::time::{Duration, Instant};

#[test]
fn dbg() {
    let mut broker = midgard_test_servers::rabbitmq("dbg").unwrap();
    let log = log::Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    runtime().block_on(async {
        let bus = RabbitMqBus::connect(&broker.address()).await.unwrap();
        bus.declare(&Queue::new("q", [Topic::event("a")])).await.unwrap();
        let m = || Message::event("s", "a", 1, b"1".to_vec());
        bus.publish(&[m()]).await.unwrap();
        let start = Instant::now();
        eprintln!("KILL");
        broker.kill();
        for _ in 0..5 {
            let r = tokio::time::timeout(Duration::from_secs(5), bus.publish(&[m()])).await;
            eprintln!("RESULT {:?} {:?}", start.elapsed(), r.map(|r| r.map_err(|e| e.to_string())));
        }
        broker.restart().unwrap();
        eprintln!("UP {:?}", start.elapsed());
        for _ in 0..10 {
            let r = tokio::time::timeout(Duration::from_secs(5), bus.publish(&[m()])).await;
            eprintln!("RESULT {:?} {:?}", start.elapsed(), r.map(|r| r.map_err(|e| e.to_string())));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
}
