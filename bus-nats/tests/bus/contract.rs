//! The bus holds the contract of buses, against a real server.

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt as _;
use midgard::bus::Topic;
use midgard_bus_nats::{NatsBus, NatsOptions};
use midgard_contract::{BusFixture, SetAside, Stranger};
use midgard_test_servers::Nats;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::sync::Mutex;
use std::time::Duration;

struct Server {
    address: String,
    own: Option<Mutex<Nats>>,
}

impl Server {
    fn options(&self) -> NatsOptions {
        NatsOptions::new(&self.address).with_takeover_after(Duration::from_secs(2))
    }

    fn own(&self) -> std::sync::MutexGuard<'_, Nats> {
        self.own.as_ref().unwrap().lock().unwrap()
    }
}

impl BusFixture for Server {
    type Bus = NatsBus;

    const TOO_LARGE: Option<usize> = Some(9 << 20);
    const LARGEST_STRANGER: usize = 8 << 20;

    fn new(case: &str) -> Option<Self> {
        let server = midgard_test_servers::shared_nats(case)?;
        Some(Server {
            address: server.address(),
            own: None,
        })
    }

    fn alone(case: &str) -> Option<Self> {
        let server = midgard_test_servers::nats(case)?;
        Some(Server {
            address: server.address(),
            own: Some(Mutex::new(server)),
        })
    }

    async fn open(&self) -> NatsBus {
        NatsBus::new(self.options())
    }

    async fn send(&self, topic: &Topic, stranger: Stranger) {
        const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');
        let mut headers = HeaderMap::new();
        if let Some(kind) = &stranger.content_type {
            headers.insert("content-type", &**kind);
        }
        for (name, value) in &stranger.attributes {
            let value = utf8_percent_encode(value, ENCODED).to_string();
            headers.append(&*format!("ce-{name}"), value);
        }
        for (name, value) in &stranger.headers {
            headers.append(&**name, &**value);
        }
        let client = async_nats::connect(&self.address).await.unwrap();
        let jetstream = async_nats::jetstream::new(client);
        let subject = format!("midgard.{topic}");
        let sent = jetstream.publish_with_headers(subject, headers, stranger.body.into());
        sent.await.unwrap().await.unwrap();
    }

    async fn set_aside(&self, queue: &str) -> Vec<SetAside> {
        let client = async_nats::connect(&self.address).await.unwrap();
        let stream = async_nats::jetstream::new(client);
        let stream = stream.get_stream("MIDGARD_DEAD").await.unwrap();
        let consumer = pull::OrderedConfig {
            filter_subject: format!("midgard_dead.{queue}"),
            ..Default::default()
        };
        let mut consumer = stream.create_consumer(consumer).await.unwrap();
        let many = consumer.info().await.unwrap().num_pending;
        let mut messages = consumer.messages().await.unwrap();
        let mut found: Vec<SetAside> = Vec::new();
        for _ in 0..many {
            let message = messages.next().await.unwrap().unwrap();
            let headers = message.headers.as_ref().unwrap();
            let reason = headers.get("Midgard-Reason").unwrap().as_str();
            let reason = percent_decode_str(reason).decode_utf8().unwrap();
            let part = headers
                .get("Midgard-Part")
                .map(async_nats::HeaderValue::as_str);
            if let Some(whole) = found.last_mut()
                && part.is_some_and(|part| !part.starts_with("1/"))
            {
                whole.payload.extend_from_slice(&message.payload);
                continue;
            }
            found.push(SetAside {
                reason: reason.into_owned(),
                payload: message.payload.to_vec(),
            });
        }
        found
    }

    async fn kill(&self) {
        self.own().kill();
    }

    async fn start_again(&self) {
        self.own().restart().unwrap();
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        super::kit::runtime().block_on(future)
    }
}

midgard_contract::bus_contract!(Server);
