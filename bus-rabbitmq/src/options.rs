//! How to reach the broker, and what the bus makes there.

use crate::RabbitMqBus;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use midgard::bus::BusError;
use std::fmt;
use std::time::Duration;

/// After which a quorum queue that was just made survives a crash of the broker. RabbitMQ 3 keeps it in memory for up to
/// 3 seconds under which name on disk the queue lies, and after a crash in that time the queue never works again.
const SETTLES: Duration = Duration::from_millis(3500);

/// How to reach a RabbitMQ broker, and what the bus makes there: `RabbitMqBus::options("amqp://..")`.
///
/// All programs that share a queue must be given the same [exchange](Self::exchange), the same
/// [prefix](Self::queue_prefix) and the same [delivery limit](Self::delivery_limit).
#[derive(Clone)]
#[must_use = "options do nothing until the bus is made of them"]
pub struct RabbitMqOptions {
    /// Or what is wrong with the address, without a word of it.
    pub(crate) uri: Result<AMQPUri, &'static str>,
    pub(crate) exchange: String,
    pub(crate) queue_prefix: String,
    pub(crate) connection_name: String,
    pub(crate) delivery_limit: u32,
    pub(crate) largest_message: usize,
    pub(crate) settle_time: Duration,
    pub(crate) tls: OwnedTLSConfig,
}

impl RabbitMqOptions {
    pub(crate) fn new(url: &str) -> Self {
        let mut uri = parse(url);
        if let Ok(uri) = &mut uri {
            uri.query.heartbeat.get_or_insert(10);
        }
        RabbitMqOptions {
            uri,
            exchange: "midgard".to_owned(),
            queue_prefix: String::new(),
            connection_name: program(),
            delivery_limit: 1000,
            largest_message: 16 << 20,
            settle_time: SETTLES,
            tls: OwnedTLSConfig::default(),
        }
    }

    /// The topic exchange that messages are published to; `midgard` when nothing is said.
    pub fn exchange(mut self, name: impl Into<String>) -> Self {
        self.exchange = name.into();
        self
    }

    /// What the names of all queues begin with; nothing, when nothing is said. Several systems can share a broker
    /// when each has its own exchange and prefix.
    pub fn queue_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.queue_prefix = prefix.into();
        self
    }

    /// The name that the broker's management shows for the connections; that of the program when nothing is said.
    pub fn connection_name(mut self, name: impl Into<String>) -> Self {
        self.connection_name = name.into();
        self
    }

    /// After how long without a sign of life the other end counts as gone (twice this, at the latest); 10 seconds
    /// when nothing is said, whole seconds, 1 at least. As `?heartbeat=10` in the address.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        let seconds = u16::try_from(every.as_secs()).unwrap_or(u16::MAX).max(1);
        if let Ok(uri) = &mut self.uri {
            uri.query.heartbeat = Some(seconds);
        }
        self
    }

    /// How often a message may come back to its queue without having been settled, before the broker puts it with the
    /// dead letters by itself; 1000 when nothing is said. It stops a message that kills each receiver it meets.
    ///
    /// Every message that a receiver held counts when the receiver or the broker dies, not only the one that is to blame,
    /// so that a low limit puts innocent messages aside when a service crashes over and over.
    ///
    /// A queue keeps the limit that it was made with: another one for an existing queue is refused as
    /// [`BusError::Unusable`].
    pub fn delivery_limit(mut self, times: u32) -> Self {
        self.delivery_limit = times;
        self
    }

    /// For how long the first declaration of a queue waits, until the queue would survive a crash of the broker: 3.5 s when
    /// nothing is said, which is what a broker of RabbitMQ 3 may take. Where no broker is killed, as in most tests, it can be
    /// zero.
    pub fn settle_time(mut self, wait: Duration) -> Self {
        self.settle_time = wait;
        self
    }

    /// The largest payload that is published, in bytes; 16 MiB when nothing is said, which is what RabbitMQ 4 allows
    /// by default. Larger ones are refused. The broker's own `max_message_size` must be at least this.
    pub fn largest_message(mut self, bytes: usize) -> Self {
        self.largest_message = bytes;
        self
    }

    /// Trusts certificates of this authority too, for `amqps://` addresses: one or several, as PEM. With `amqp://`, which
    /// encrypts nothing, the bus is not made.
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.tls.cert_chain = Some(pem.into());
        self
    }

    /// Shows this certificate to the broker: the certificate, with those that lead to its authority, and its key,
    /// both as PEM. For `amqps://` addresses only, too.
    pub fn client_identity(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.identity = Some(OwnedIdentity::PKCS8 {
            pem: certificate.into(),
            key: key.into(),
        });
        self
    }

    /// Connects to the broker.
    ///
    /// # Errors
    /// As [`RabbitMqBus::connect`].
    pub async fn connect(self) -> Result<RabbitMqBus, BusError> {
        let bus = RabbitMqBus::new(self)?;
        bus.reach().await?;
        Ok(bus)
    }

    /// Why the bus cannot be made of these.
    pub(crate) fn check(&self) -> Result<(), String> {
        let uri = self.uri.as_ref().map_err(|reason| (*reason).to_owned())?;
        let has_tls = self.tls.cert_chain.is_some() || self.tls.identity.is_some();
        if has_tls && uri.scheme == AMQPScheme::AMQP {
            return Err("certificates are given, and amqp:// encrypts nothing; begin the address with amqps://, or leave the certificates out".to_owned());
        }
        Ok(())
    }

    /// Where the broker is, without the password.
    pub(crate) fn location(&self) -> String {
        let Ok(uri) = &self.uri else {
            return "the address that was given".to_owned();
        };
        let scheme = match uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let (user, host, port) = (
            &uri.authority.userinfo.username,
            &uri.authority.host,
            uri.authority.port,
        );
        let vhost = uri.vhost.trim_start_matches('/');
        format!("{scheme}://{user}@{host}:{port}/{vhost}")
    }
}

/// What an address says. An error has no word of it: where it is written in another way than it should be, any part of it may be
/// the password.
fn parse(url: &str) -> Result<AMQPUri, &'static str> {
    const NONE: &str = "it is no address of a RabbitMQ broker; one is amqp://user:password@host:5672/vhost, or amqps://.. with TLS, and what is no letter or digit in the password is percent-encoded";
    const AT: &str = "its address has an `@` behind the host; percent-encode what is no letter or digit in the user, the password and the virtual host: `/` is %2F, and `@` is %40";
    let (_, rest) = url.split_once("://").ok_or(NONE)?;
    let host_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[host_ends..].contains('@') {
        return Err(AT);
    }
    url.parse().map_err(|_| NONE)
}

/// Without what is secret.
impl fmt::Debug for RabbitMqOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqOptions")
            .field("location", &self.location())
            .field("exchange", &self.exchange)
            .field("queue_prefix", &self.queue_prefix)
            .field("connection_name", &self.connection_name)
            .field("delivery_limit", &self.delivery_limit)
            .field("largest_message", &self.largest_message)
            .finish_non_exhaustive()
    }
}

/// The name of this program.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if name.is_empty() {
        "midgard".to_owned()
    } else {
        name.into_owned()
    }
}
