//! What the tests share: a runtime, and a client of the broker that knows nothing of the bus.

#![allow(dead_code, reason = "each test program uses some of it")]

use futures_util::StreamExt;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use std::sync::OnceLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The runtime of all tests of a program.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// A bare client.
pub(crate) struct Client {
    _connection: Connection,
    pub(crate) channel: Channel,
}

impl Client {
    pub(crate) async fn connect(address: &str) -> Self {
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(address, properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let confirms = ConfirmSelectOptions::default();
        channel.confirm_select(confirms).await.unwrap();
        Client {
            _connection: connection,
            channel,
        }
    }

    /// Publishes past the bus.
    pub(crate) async fn publish(&self, topic: &str, properties: BasicProperties, body: &[u8]) {
        let (exchange, key) = (ShortString::from("midgard"), ShortString::from(topic));
        let options = BasicPublishOptions::default();
        let sent = self
            .channel
            .basic_publish(exchange, key, options, body, properties);
        assert!(sent.await.unwrap().await.unwrap().is_ack());
    }

    /// Puts a message into a queue; says whether the broker takes it.
    pub(crate) async fn put(&self, queue: &str, body: &[u8]) -> bool {
        let (exchange, key) = (ShortString::default(), ShortString::from(queue));
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let sent = self
            .channel
            .basic_publish(exchange, key, options, body, properties);
        sent.await.unwrap().await.unwrap().is_ack()
    }

    /// All that lies in a queue with one receiver at a time, which cannot be looked into otherwise, within a moment.
    pub(crate) async fn look_into_single(&self, queue: &str) -> Vec<Vec<u8>> {
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        let consumer =
            self.channel
                .basic_consume(queue.into(), tag, options, FieldTable::default());
        let mut consumer = consumer.await.unwrap();
        let mut found = Vec::new();
        while let Ok(Some(message)) = timeout(Duration::from_secs(1), consumer.next()).await {
            found.push(message.unwrap().data);
        }
        self.channel
            .close(200, ShortString::default())
            .await
            .unwrap();
        found
    }

    /// All that lies in a queue. It goes back when the client is dropped.
    pub(crate) async fn look_into(&self, queue: &str) -> Vec<BasicGetMessage> {
        let mut found = Vec::new();
        let options = BasicGetOptions::default();
        while let Ok(Some(message)) = self.channel.basic_get(queue.into(), options).await {
            found.push(message);
        }
        found
    }
}

/// The text of a header.
pub(crate) fn header(properties: &BasicProperties, name: &str) -> Option<String> {
    match properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    }
}
