//! What strangers send that not even the client can read.

use super::kit::{event, next, open, queue, runtime, subscribe, within};
use async_nats::jetstream;
use midgard::bus::Publisher;
use midgard_test_servers as servers;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Publishes by the protocol itself.
pub(crate) async fn publish(address: &str, subject: &str, headers: &[u8], body: &[u8]) {
    let mut socket = TcpStream::connect(address.trim_start_matches("nats://"))
        .await
        .unwrap();
    let publish = format!(
        "HPUB {subject} {} {}\r\n",
        headers.len(),
        headers.len() + body.len()
    );
    let hello = b"CONNECT {\"verbose\":false,\"headers\":true}\r\n".as_slice();
    let all = [hello, publish.as_bytes(), headers, body, b"\r\nPING\r\n"].concat();
    socket.write_all(&all).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|bytes| bytes == b"PONG") {
        assert_ne!(
            socket.read_buf(&mut answer).await.unwrap(),
            0,
            "the server hung up"
        );
    }
}

#[test]
fn headers_that_cannot_be_read_are_set_aside() {
    let Some(server) = servers::nats("headers_that_cannot_be_read_are_set_aside") else {
        return;
    };
    runtime().block_on(async {
        let address = server.address();
        let bus = open(&address);
        let mut deliveries = subscribe(&bus, &queue("unread", "unread")).await;
        bus.publish(&[event("unread", "key", 0)]).await.unwrap();
        let subject = "midgard.event.unread";
        let strange: [&[u8]; 3] = [
            b"NATS/1.0\r\nname: gr\xfc\xdfe\r\n\r\n",
            b"NATS/1.0\r\nno colon here\r\n\r\n",
            b"NATS/1.0 503 gone\r\n\r\n",
        ];
        for headers in strange {
            publish(&address, subject, headers, b"theirs").await;
        }
        super::kit::publish(&bus, &[event("unread", "key", 1)]).await;
        // What cannot be settled because the connection is lost comes again.
        let mut settled = Vec::new();
        while settled.len() < 3 {
            let received = next(&mut deliveries).await;
            let (what, verdict) = match &received.content {
                Ok(message) => (message.payload.clone(), received.acknowledge().await),
                // The third can be read, and is none of Midgard's.
                Err(foreign) => (
                    foreign.payload.clone(),
                    received.set_aside("not ours").await,
                ),
            };
            if verdict.is_ok() {
                settled.push(what);
            }
        }
        assert_eq!(settled, [b"0".as_slice(), b"theirs", b"1"]);

        let client = async_nats::connect(&address).await.unwrap();
        let mut dead = jetstream::new(client)
            .get_stream("MIDGARD_DEAD")
            .await
            .unwrap();
        assert_eq!(dead.info().await.unwrap().state.messages, 3);
        let first = dead.get_raw_message(1).await.unwrap();
        assert_eq!(&*first.payload, b"theirs");
        let reason = first.headers.get("Midgard-Reason").unwrap().as_str();
        assert!(reason.contains("its headers are not UTF-8"), "{reason}");
        assert!(first.headers.get("Midgard-Headers").is_some());
        let left = async {
            let stream = jetstream::new(async_nats::connect(&address).await.unwrap());
            let mut stream = stream.get_stream("MIDGARD").await.unwrap();
            while stream.info().await.unwrap().state.messages > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within("nothing is left in the queue", left).await;
    });
}
