//! How to reach the broker, and what the bus creates there.

use crate::RabbitMqBus;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use midgard::bus::BusError;
use std::fmt;
use std::time::Duration;

/// The time after which a new quorum queue survives a crash of the broker. RabbitMQ 3 keeps the name of the queue on
/// disk in memory for up to 3 seconds, and after a crash in that time the queue never works again.
const SETTLES: Duration = Duration::from_millis(3500);

/// The options of a bus, `RabbitMqBus::options("amqp://..")`: how to reach a RabbitMQ broker, and what to create
/// there.
///
/// All programs that share a queue must use the same [exchange](Self::exchange), the same
/// [prefix](Self::queue_prefix) and the same [delivery limit](Self::delivery_limit).
#[derive(Clone)]
#[must_use = "options do nothing until a bus is created with them"]
pub struct RabbitMqOptions {
    /// Or what is wrong with the address, without quoting it.
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

    /// Sets the topic exchange that messages are published to; the default is `midgard`.
    pub fn exchange(mut self, name: impl Into<String>) -> Self {
        self.exchange = name.into();
        self
    }

    /// Sets a prefix for the names of all queues; the default is none. Several systems can share a broker if each has
    /// its own exchange and prefix.
    pub fn queue_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.queue_prefix = prefix.into();
        self
    }

    /// Sets the name that the broker's management shows for the connections; the default is the program's name.
    pub fn connection_name(mut self, name: impl Into<String>) -> Self {
        self.connection_name = name.into();
        self
    }

    /// Sets after how long without a sign of life the other end counts as dead (after twice this time at the latest);
    /// the default is 10 seconds. Whole seconds, at least 1. The same as `?heartbeat=10` in the address.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        let seconds = u16::try_from(every.as_secs()).unwrap_or(u16::MAX).max(1);
        if let Ok(uri) = &mut self.uri {
            uri.query.heartbeat = Some(seconds);
        }
        self
    }

    /// Sets how often a message may return to its queue unsettled before the broker itself moves it to the dead
    /// letters; the default is 1000. The limit stops a message that kills every receiver.
    ///
    /// When the receiver or the broker dies, the count goes up for every message that the receiver held, not only for
    /// the one to blame: with a low limit, a service that crashes repeatedly moves innocent messages to the dead
    /// letters.
    ///
    /// A queue keeps the limit that it was created with: a different one for an existing queue is refused as
    /// [`BusError::Unusable`].
    pub fn delivery_limit(mut self, times: u32) -> Self {
        self.delivery_limit = times;
        self
    }

    /// Sets how long the first declaration of a queue waits until the queue would survive a crash of the broker; the
    /// default is 3.5 s, which a broker of RabbitMQ 3 may take. It can be zero where no broker is killed, as in most
    /// tests.
    pub fn settle_time(mut self, wait: Duration) -> Self {
        self.settle_time = wait;
        self
    }

    /// Sets the largest payload to publish, in bytes; the default is 16 MiB, the default limit of RabbitMQ 4. Larger
    /// ones are refused. The broker's own `max_message_size` must be at least this.
    pub fn largest_message(mut self, bytes: usize) -> Self {
        self.largest_message = bytes;
        self
    }

    /// Trusts certificates of this authority too, for `amqps://` addresses: one or several, as PEM. With `amqp://`,
    /// which encrypts nothing, creating the bus fails.
    pub fn certificate_authority(mut self, pem: impl Into<String>) -> Self {
        self.tls.cert_chain = Some(pem.into());
        self
    }

    /// Sets the client certificate: the certificate, with its chain, and its key, both as PEM. Only for `amqps://`
    /// addresses, too.
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
    /// Those of [`RabbitMqBus::connect`].
    pub async fn connect(self) -> Result<RabbitMqBus, BusError> {
        let bus = RabbitMqBus::new(self)?;
        bus.reach().await?;
        Ok(bus)
    }

    /// Returns an error if no bus can be created with these options.
    pub(crate) fn check(&self) -> Result<(), String> {
        let uri = self.uri.as_ref().map_err(|reason| (*reason).to_owned())?;
        let has_tls = self.tls.cert_chain.is_some() || self.tls.identity.is_some();
        if has_tls && uri.scheme == AMQPScheme::AMQP {
            return Err("certificates are given, and amqp:// encrypts nothing; begin the address with amqps://, or leave the certificates out".to_owned());
        }
        Ok(())
    }

    /// Returns where the broker is, without the password.
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

/// Parses an address. The error quotes nothing of it: in a malformed address, any part may be the password.
fn parse(url: &str) -> Result<AMQPUri, &'static str> {
    const NONE: &str = "it is not an address of a RabbitMQ broker; write amqp://user:password@host:5672/vhost, or amqps://.. with TLS, and percent-encode everything but letters and digits in the password";
    const AT: &str = "its address has an `@` behind the host; percent-encode everything but letters and digits in the user, the password and the virtual host: `/` is %2F, and `@` is %40";
    let (_, rest) = url.split_once("://").ok_or(NONE)?;
    let host_ends = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[host_ends..].contains('@') {
        return Err(AT);
    }
    url.parse().map_err(|_| NONE)
}

/// Without secrets.
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

/// Returns the name of this program.
fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if name.is_empty() {
        "midgard".to_owned()
    } else {
        name.into_owned()
    }
}
