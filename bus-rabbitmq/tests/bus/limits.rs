//! Limits of the broker: what is too large, what is full, and a broker that runs out of memory.

use crate::common::{Client, runtime};
use lapin::BasicProperties;
use lapin::options::QueuePurgeOptions;
use midgard::Timestamp;
use midgard::bus::{
    BusError, Deliveries, Message, Publisher, Purpose, Queue, Received, Subscriber, Topic,
};
use midgard::event::Encoded;
use midgard_bus_rabbitmq::{RabbitMqBus, RabbitMqDeliveries};
use midgard_test_servers::{self as servers, RabbitMq};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(180);
/// The broker of the test that started this program again.
const BROKER: &str = "MIDGARD_TEST_BROKER";

fn message(event: &str, number: usize) -> Message {
    Message::event(
        "tests",
        event.to_owned(),
        1,
        number.to_string().into_bytes(),
    )
    .with_key("key")
}

fn of_size(event: &str, size: usize) -> Message {
    Message::event("tests", event.to_owned(), 1, vec![b'7'; size]).with_key("key")
}

fn queue(name: &str, event: &str) -> Queue {
    Queue::new(name, [Topic::event(event)])
}

async fn open(broker: &RabbitMq) -> RabbitMqBus {
    let options = RabbitMqBus::options(&broker.address()).settle_time(Duration::ZERO);
    options.connect().await.unwrap()
}

/// The next message; what was not settled may come over another connection.
async fn next(deliveries: &mut RabbitMqDeliveries) -> Received {
    let next = async {
        loop {
            match deliveries.next().await {
                Ok(received) => return received,
                Err(error) => assert!(matches!(error, BusError::Unavailable { .. }), "{error}"),
            }
        }
    };
    timeout(PATIENCE, next).await.expect("a message comes")
}

fn number(received: &Received) -> usize {
    let data = &received.content.as_ref().unwrap().payload;
    str::from_utf8(data).unwrap().parse().unwrap()
}

async fn take(deliveries: &mut RabbitMqDeliveries) -> usize {
    let received = next(deliveries).await;
    let number = number(&received);
    received.acknowledge().await.unwrap();
    number
}

/// Sets a message aside, when it comes again too: the broker takes a moment until it takes messages.
async fn set_aside(mut received: Received, deliveries: &mut RabbitMqDeliveries) {
    while received.set_aside("not ours").await.is_err() {
        received = next(deliveries).await;
    }
}

fn control(broker: &RabbitMq, arguments: &[&str]) {
    tokio::task::block_in_place(|| broker.control(arguments)).unwrap();
}

fn assert_refused(error: &BusError, message: &Message, why: &str) {
    assert!(
        matches!(error, BusError::Refused { id, .. } if *id == message.id),
        "{error:?}"
    );
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn message_over_a_limit_of_the_broker_is_refused() {
    let Some(broker) = servers::lent_rabbitmq("message_over_a_limit_of_the_broker_is_refused")
    else {
        return;
    };
    runtime().block_on(async {
        let set = "application:set_env(rabbit, max_message_size, 4000).";
        control(&broker, &["eval", set]);
        let bus = open(&broker).await;
        let mut deliveries = bus.subscribe(&queue("limited", "limited")).await.unwrap();
        let sent = [
            message("limited", 1),
            of_size("limited", 4000),
            of_size("limited", 4001),
        ];
        // The first time the broker says so, and closes the channel; then the bus knows.
        for _ in 0..2 {
            let error = bus.publish(&sent).await.unwrap_err();
            assert_refused(&error, &sent[2], "max_message_size");
        }
        bus.publish(&sent[..2]).await.unwrap();
        bus.publish(&[message("limited", 2)]).await.unwrap();
        loop {
            let received = next(&mut deliveries).await;
            let data = received.content.as_ref().unwrap().payload.clone();
            received.acknowledge().await.unwrap();
            assert!(data.len() <= 4000);
            if data == b"2" {
                break;
            }
        }
        // The node's own limit again, for the next test.
        let set = "application:set_env(rabbit, max_message_size, 134217728).";
        control(&broker, &["eval", set]);
    });
}

#[test]
fn headers_over_the_largest_frame_are_refused() {
    let Some(broker) = servers::shared_rabbitmq("headers_over_the_largest_frame_are_refused")
    else {
        return;
    };
    runtime().block_on(async {
        // As a broker has it that is set up so.
        let address = format!("{}?frame_max=8192", broker.address());
        let options = RabbitMqBus::options(&address).settle_time(Duration::ZERO);
        let bus = options.connect().await.unwrap();
        let mut deliveries = bus.subscribe(&queue("framed", "framed")).await.unwrap();
        let long = |size| message("framed", 1).with_subject("s".repeat(size));
        let sent = [message("framed", 0), long(7500)];
        let error = bus.publish(&sent).await.unwrap_err();
        assert_refused(&error, &sent[1], "frame_max");
        bus.publish(&[long(6000)]).await.unwrap();
        assert_eq!(take(&mut deliveries).await, 1, "the first to be sent");
    });
}

#[test]
fn queue_that_is_full_is_sent_no_message_again_that_it_has() {
    let name = "queue_that_is_full_is_sent_no_message_again_that_it_has";
    let Some(broker) = servers::shared_rabbitmq(name) else {
        return;
    };
    runtime().block_on(async {
        let bus = open(broker).await;
        let queue = queue("filled", "filled");
        bus.declare(&queue).await.unwrap();
        let limit = r#"{"max-length":5}"#;
        control(broker, &["set_policy", "filled", "^filled$", limit]);
        let sent: Vec<_> = (0..60).map(|number| message("filled", number)).collect();
        let mut done = 0;
        let full = loop {
            // A policy takes a moment until it holds.
            match bus.publish(&sent[done..=done]).await {
                Ok(_) => done += 1,
                Err(error) => break error,
            }
            assert!(done < 50, "there is a limit");
        };
        assert!(
            matches!(full, BusError::Full { confirmed: 0, .. }),
            "{full:?}"
        );
        assert!(full.to_string().contains("max-length"), "{full}");
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        let (mut taken, mut times) = (Vec::new(), 0);
        while taken.len() < sent.len() {
            times += 1;
            assert!(times < 200, "{taken:?}");
            match bus.publish(&sent[done..]).await {
                Ok(_) => done = sent.len(),
                Err(BusError::Full { confirmed, .. }) => done += confirmed,
                Err(error) => panic!("{error}"),
            }
            while taken.len() < done {
                taken.push(take(&mut deliveries).await);
            }
        }
        assert_eq!(taken, Vec::from_iter(0..60), "once, and in order");
    });
}

#[test]
fn receiver_goes_on_when_nothing_can_be_set_aside_and_gets_it_again() {
    let name = "receiver_goes_on_when_nothing_can_be_set_aside_and_gets_it_again";
    let Some(broker) = servers::shared_rabbitmq(name) else {
        return;
    };
    runtime().block_on(async {
        let bus = open(broker).await;
        let queue = queue("no-aside", "no-aside").with_in_flight(2);
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        // Nobody has looked at what was set aside for long.
        let limit = r#"{"max-length":2,"overflow":"reject-publish"}"#;
        control(broker, &["set_policy", "aside", "^no-aside.dead$", limit]);
        let client = Client::connect(&broker.address()).await;
        while client.put("no-aside.dead", b"old").await {}
        for stranger in 0..3 {
            let body = format!("stranger {stranger}");
            client
                .publish(
                    "event.no-aside",
                    BasicProperties::default(),
                    body.as_bytes(),
                )
                .await;
        }
        // As often as there are slots, and more.
        for _ in 0..4 {
            let received = next(&mut deliveries).await;
            assert_eq!(
                received.content.as_ref().unwrap_err().payload,
                b"stranger 0"
            );
            let error = received.set_aside("not ours").await.unwrap_err();
            assert!(error.to_string().contains("no-aside.dead"), "{error}");
            let told = deliveries.next().await.unwrap_err();
            assert!(told.to_string().contains("no-aside.dead"), "{told}");
        }
        let limit = limit.replace("2", "100");
        control(broker, &["set_policy", "aside", "^no-aside.dead$", &limit]);
        let purged = client
            .channel
            .queue_purge("no-aside.dead".into(), QueuePurgeOptions::default());
        purged.await.unwrap();
        for stranger in 0..3 {
            let received = next(&mut deliveries).await;
            let body = format!("stranger {stranger}");
            assert_eq!(
                received.content.as_ref().unwrap_err().payload,
                body.as_bytes()
            );
            set_aside(received, &mut deliveries).await;
        }
        bus.publish(&[message("no-aside", 1)]).await.unwrap();
        assert_eq!(take(&mut deliveries).await, 1);
        assert_eq!(client.look_into("no-aside.dead").await.len(), 3);
    });
}

#[test]
fn what_is_given_up_while_the_broker_takes_no_messages_is_not_published_later() {
    let name = "what_is_given_up_while_the_broker_takes_no_messages_is_not_published_later";
    let Some(broker) = servers::lent_rabbitmq(name) else {
        return;
    };
    // In a process of its own, whose memory no other test uses.
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["limits::child_gives_up_what_it_publishes", "--exact"])
        .arg("--nocapture")
        .env(BROKER, broker.address())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(watermark) = line.unwrap().strip_prefix("watermark ") {
            control(&broker, &["set_vm_memory_high_watermark", watermark]);
            writeln!(input).unwrap();
        }
    }
    assert!(child.wait().unwrap().success());
}

/// Has the test that started this process set how much memory the broker may use.
#[allow(clippy::print_stdout)]
fn set_watermark(watermark: &str) {
    println!("\nwatermark {watermark}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Not a test of its own: publishes to a broker that takes no messages, and gives up.
#[test]
fn child_gives_up_what_it_publishes() {
    let Ok(address) = std::env::var(BROKER) else {
        return;
    };
    runtime().block_on(async {
        let options = RabbitMqBus::options(&address).settle_time(Duration::ZERO);
        let bus = options.connect().await.unwrap();
        let mut deliveries = bus.subscribe(&queue("short", "short")).await.unwrap();
        bus.publish(&[message("short", 0)]).await.unwrap();
        assert_eq!(take(&mut deliveries).await, 0);
        set_watermark("0");
        // The broker says so to a connection that publishes.
        let first = [message("short", 1)];
        let given_up = timeout(Duration::from_secs(1), bus.publish(&first)).await;
        assert!(given_up.is_err(), "it is not confirmed");
        // 8 MB each time.
        let (mut before, waves) = (0, 12);
        for wave in 0..waves {
            let mut asked = tokio::task::JoinSet::new();
            for _ in 0..40 {
                let bus = bus.clone();
                asked.spawn(async move {
                    let large = [of_size("short", 200_000)];
                    let publish = bus.publish(&large);
                    timeout(Duration::from_millis(300), publish).await.is_err()
                });
            }
            while let Some(given_up) = asked.join_next().await {
                assert!(given_up.unwrap());
            }
            if wave == 1 {
                before = resident();
            }
        }
        let grown = resident().saturating_sub(before);
        assert!(
            grown < 30 << 20,
            "80 MB were given up, and {grown} bytes are kept"
        );

        set_watermark("0.4");
        timeout(PATIENCE, bus.publish(&[message("short", 3)]))
            .await
            .unwrap()
            .unwrap();
        let mut late = 0;
        loop {
            let received = next(&mut deliveries).await;
            let message = received.content.as_ref().unwrap();
            let is_last = message.payload == b"3";
            late += usize::from(message.payload.len() > 1);
            received.acknowledge().await.unwrap();
            if is_last {
                break;
            }
        }
        assert_eq!(late, 0, "nobody waits for them");
    });
}

#[test]
fn command_that_nobody_waits_for_any_more_expires_at_the_broker() {
    let Some(broker) =
        servers::shared_rabbitmq("command_that_nobody_waits_for_any_more_expires_at_the_broker")
    else {
        return;
    };
    runtime().block_on(async {
        let bus = open(broker).await;
        let queue = Queue::new("expiring", [Topic::command("expiring", "count")]);
        bus.declare(&queue).await.unwrap();
        let command = |number: usize, expires| {
            let service = "expiring".to_owned();
            let data = number.to_string().into_bytes();
            let mut command = Message::new(
                Purpose::Command { service },
                "tests",
                Encoded::json("count", 1, data),
            );
            command.expires = expires;
            command
        };
        let soon = Timestamp::now().as_micros() + 300_000;
        let sent = [
            command(1, Some(Timestamp::from_micros(soon))),
            command(2, None),
            command(3, Some(Timestamp::from_micros(u64::MAX))),
        ];
        bus.publish(&sent).await.unwrap();
        let mut found = Vec::new();
        while found.is_empty() {
            let client = Client::connect(&broker.address()).await;
            found = client.look_into("expiring.dead").await;
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(found[0].delivery.data, b"1");
        let mut deliveries = bus.subscribe(&queue).await.unwrap();
        assert_eq!(
            [take(&mut deliveries).await, take(&mut deliveries).await],
            [2, 3]
        );
    });
}

/// How much memory this process has, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}

#[test]
fn publishing_goes_on_where_it_was_given_up() {
    let Some(broker) = servers::shared_rabbitmq("publishing_goes_on_where_it_was_given_up") else {
        return;
    };
    runtime().block_on(async {
        let bus = open(broker).await;
        let mut deliveries = bus.subscribe(&queue("dropped", "dropped")).await.unwrap();
        for round in 0..100_u64 {
            let batch: Vec<_> = (0..50).map(|_| message("dropped", 0)).collect();
            let publish = bus.publish(&batch);
            let _ = timeout(Duration::from_micros(round * 50), publish).await;
        }
        bus.publish(&[message("dropped", 1)]).await.unwrap();
        while take(&mut deliveries).await == 0 {}
    });
}
