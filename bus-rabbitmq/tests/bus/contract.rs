//! The contract of a bus, on a real broker.

use crate::common::{Client, header, runtime};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use midgard::bus::Topic;
use midgard_bus_rabbitmq::RabbitMqBus;
use midgard_contract::{BusFixture, SetAside, Stranger};
use midgard_test_servers::{self as servers, LentRabbitMq};
use std::sync::Mutex;
use std::time::Duration;

/// A broker: that of all cases, or one that the case may kill.
struct Broker {
    address: String,
    own: Option<Mutex<LentRabbitMq>>,
}

impl BusFixture for Broker {
    type Bus = RabbitMqBus;

    /// AMQP confirms what is published and not what is acknowledged: what the broker had not taken in yet comes again.
    const CONFIRMS_VERDICTS: bool = false;

    const TOO_LARGE: Option<usize> = Some((16 << 20) + 1);
    const LARGEST_STRANGER: usize = 16 << 20;

    fn new(case: &str) -> Option<Self> {
        let broker = servers::shared_rabbitmq(case)?;
        Some(Broker {
            address: broker.address(),
            own: None,
        })
    }

    fn alone(case: &str) -> Option<Self> {
        let broker = servers::lent_rabbitmq(case)?;
        Some(Broker {
            address: broker.address(),
            own: Some(Mutex::new(broker)),
        })
    }

    async fn open(&self) -> RabbitMqBus {
        let mut options = RabbitMqBus::options(&self.address);
        if self.own.is_none() {
            // Nobody kills this broker.
            options = options.settle_time(Duration::ZERO);
        }
        options.connect().await.unwrap()
    }

    async fn send(&self, topic: &Topic, stranger: Stranger) {
        let mut headers = FieldTable::default();
        let mut set = |name: String, value: String| {
            let value = AMQPValue::LongString(LongString::from(value));
            headers.insert(ShortString::from(name), value);
        };
        for (name, value) in stranger.attributes {
            set(format!("cloudEvents:{name}"), value);
        }
        for (name, value) in stranger.headers {
            set(name, value);
        }
        let mut properties = BasicProperties::default().with_headers(headers);
        if let Some(kind) = stranger.content_type {
            properties = properties.with_content_type(kind.into());
        }
        let client = Client::connect(&self.address).await;
        client
            .publish(topic.as_str(), properties, &stranger.body)
            .await;
    }

    async fn set_aside(&self, queue: &str) -> Vec<SetAside> {
        let client = Client::connect(&self.address).await;
        let found = client.look_into(&format!("{queue}.dead")).await;
        let found = found.into_iter().map(|message| SetAside {
            reason: header(&message.delivery.properties, "midgard-reason").unwrap_or_default(),
            payload: message.delivery.data,
        });
        found.collect()
    }

    async fn kill(&self) {
        if let Some(broker) = &self.own {
            broker.lock().unwrap().kill();
        }
    }

    async fn start_again(&self) {
        if let Some(broker) = &self.own {
            tokio::task::block_in_place(|| broker.lock().unwrap().restart().unwrap());
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        runtime().block_on(future)
    }
}

midgard_contract::bus_contract!(Broker);
