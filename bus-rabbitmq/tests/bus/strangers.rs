//! What strangers put onto the exchange that no client library would send.

use crate::common::{Client, header, runtime};
use midgard::bus::{Deliveries, Message, Publisher, Queue, Subscriber, Topic};
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_test_servers as servers;
use std::io::{Read, Write};
use std::net::TcpStream;

/// AMQP, byte by byte.
struct Raw(TcpStream);

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    let size = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&size, bytes].concat()
}

impl Raw {
    /// Connects to `amqp://guest:guest@HOST:PORT/%2f`, and opens a channel that confirms.
    fn connect(address: &str) -> Self {
        let host = address.split(['@', '/']).nth(3).unwrap();
        let mut raw = Raw(TcpStream::connect(host).unwrap());
        raw.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        raw.answer();
        let login = [
            long(b""),
            short(b"PLAIN"),
            long(b"\0guest\0guest"),
            short(b"en_US"),
        ];
        raw.method(0, 10, 11, &login.concat());
        raw.answer();
        raw.method(0, 10, 31, &[7, 0xff, 0, 2, 0, 0, 0, 0]);
        raw.method(0, 10, 40, &[short(b"/"), short(b""), vec![0]].concat());
        raw.answer();
        raw.method(1, 20, 10, &short(b""));
        raw.answer();
        raw.method(1, 85, 10, &[0]);
        raw.answer();
        raw
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let channel = channel.to_be_bytes();
        let frame = [&[kind], &channel[..], &long(payload), &[0xce]].concat();
        self.0.write_all(&frame).unwrap();
    }

    fn method(&mut self, channel: u16, class: u16, method: u16, arguments: &[u8]) {
        let payload = [&class.to_be_bytes(), &method.to_be_bytes(), arguments].concat();
        self.frame(1, channel, &payload);
    }

    /// The class and the method of what the broker says.
    fn answer(&mut self) -> (u16, u16) {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).unwrap();
        let size = u32::from_be_bytes(head[3..].try_into().unwrap());
        let mut payload = vec![0; size as usize + 1];
        self.0.read_exact(&mut payload).unwrap();
        let number = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
        (number(0), number(2))
    }

    /// Publishes with a content type and a table of headers.
    fn publish(&mut self, topic: &str, kind: &[u8], headers: &[u8], body: &[u8]) {
        let address = [short(b"midgard"), short(topic.as_bytes())].concat();
        self.method(1, 60, 40, &[&[0, 0], &address[..], &[0]].concat());
        let flags = (1_u16 << 15 | 1 << 13).to_be_bytes();
        let size = (body.len() as u64).to_be_bytes();
        let before = [&[0, 60, 0, 0], &size[..], &flags].concat();
        self.frame(2, 1, &[before, short(kind), long(headers)].concat());
        self.frame(3, 1, body);
        assert_eq!(self.answer(), (60, 80), "the broker confirms it");
    }
}

/// A table in a table in a table.
fn deep_table(depth: usize) -> Vec<u8> {
    let mut table = Vec::new();
    for _ in 0..depth {
        table = [short(b"t"), vec![b'F'], long(&table)].concat();
    }
    table
}

#[test]
fn what_no_client_can_read_is_in_nobodys_way() {
    let Some(broker) = servers::shared_rabbitmq("what_no_client_can_read_is_in_nobodys_way") else {
        return;
    };
    runtime().block_on(async {
        let bus = RabbitMqBus::connect(&broker.address()).await.unwrap();
        let topic = Topic::event("strange");
        let queue = Queue::new("strange", [topic.clone()]);
        let mut deliveries = bus.subscribe(&queue).await.unwrap();

        let mut raw = Raw::connect(&broker.address());
        let latin = [short(b"na\xefve"), vec![b'S'], long(b"\xff")].concat();
        raw.publish(topic.as_str(), b"text/caf\xe9", &[], b"0");
        raw.publish(topic.as_str(), b"text/plain", &latin, b"1");
        raw.publish(topic.as_str(), b"text/plain", &deep_table(5_000), b"2");
        let message = Message::event("tests", "strange", 1, b"3".to_vec());
        bus.publish(&[message]).await.unwrap();

        for number in 0..3 {
            let received = deliveries.next().await.unwrap();
            let foreign = received.content.as_ref().unwrap_err();
            assert_eq!(foreign.payload, number.to_string().into_bytes());
            received
                .set_aside(&format!("strange {number}"))
                .await
                .unwrap();
        }
        let received = deliveries.next().await.unwrap();
        assert_eq!(received.content.as_ref().unwrap().payload, b"3");
        received.acknowledge().await.unwrap();

        let client = Client::connect(&broker.address()).await;
        let found = client.look_into("strange.dead").await;
        let reasons = found
            .iter()
            .map(|found| header(&found.delivery.properties, "midgard-reason"));
        let reasons: Vec<_> = reasons.flatten().collect();
        assert_eq!(reasons, ["strange 0", "strange 1", "strange 2"]);
    });
}

#[test]
fn instructions_of_strangers_are_not_followed_twice() {
    use lapin::BasicProperties;
    use lapin::types::{AMQPValue, FieldArray, FieldTable};

    let Some(broker) = servers::shared_rabbitmq("instructions_of_strangers_are_not_followed_twice")
    else {
        return;
    };
    runtime().block_on(async {
        let bus = RabbitMqBus::connect(&broker.address()).await.unwrap();
        let topic = Topic::event("instructed");
        let queue = Queue::new("instructed", [topic.clone()]);
        let mut deliveries = bus.subscribe(&queue).await.unwrap();

        // It is kept for a minute only, says whose it is, and goes to another queue too.
        let client = Client::connect(&broker.address()).await;
        let mut headers = FieldTable::default();
        let copies = vec![AMQPValue::LongString("instructed".into())];
        headers.insert("CC".into(), AMQPValue::FieldArray(FieldArray::from(copies)));
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_expiration("60000".into())
            .with_user_id("guest".into());
        client.publish(topic.as_str(), properties, b"once").await;

        let received = deliveries.next().await.unwrap();
        received.set_aside("strange").await.unwrap();
        let found = client.look_into("instructed.dead").await;
        assert_eq!(found.len(), 1);
        let kept = &found[0].delivery.properties;
        assert_eq!(kept.expiration(), &None, "it is kept for good");
        bus.publish(&[Message::event("tests", "instructed", 1, b"next".to_vec())])
            .await
            .unwrap();
        let received = deliveries.next().await.unwrap();
        assert_eq!(received.content.as_ref().unwrap().payload, b"next");
    });
}
