//! The bus.

use crate::declared;
use crate::envelope;
use crate::link::{self, Link};
use crate::options::RabbitMqOptions;
use crate::publishing::{Outgoing, Publishing};
use crate::receiving::{RabbitMqDeliveries, Source};
use crate::topology::{self, Names};
use crate::trouble::Trouble;
use lapin::types::ShortString;
use midgard::bus::{BusError, Message, Published, Publisher, Queue, Subscriber};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest time for a declaration.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a queue is declared when the broker itself fails, and how long to wait after the first failure.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A bus over RabbitMQ. Clones share its connections.
///
/// See the [crate](crate) for what it creates on the broker, and for its promises.
#[derive(Clone)]
pub struct RabbitMqBus {
    bus: Arc<Bus>,
}

/// The state that all clones share.
pub(crate) struct Bus {
    pub(crate) options: Arc<RabbitMqOptions>,
    pub(crate) location: String,
    pub(crate) publishing: Arc<Publishing>,
    /// Separate from publishing: a broker that runs out of memory stops connections that publish, and must not stop
    /// those that take messages out of it.
    pub(crate) receiving: Link,
}

impl RabbitMqBus {
    /// Connects to the broker at an address: `amqp://user:password@host:5672/vhost`, or `amqps://..` with TLS.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when the broker cannot be reached now, [`BusError::Unusable`] when retrying does not
    /// help: a wrong address, password or certificate.
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        Self::options(url).connect().await
    }

    /// Returns options for a bus at an address.
    pub fn options(url: &str) -> RabbitMqOptions {
        RabbitMqOptions::new(url)
    }

    /// Returns a bus that is not connected yet: it connects at first use, so a service can start while the broker is
    /// down.
    ///
    /// # Errors
    /// [`BusError::Unusable`] when the address is malformed, or certificates are given for an address without TLS.
    pub fn new(options: RabbitMqOptions) -> Result<Self, BusError> {
        let location = options.location();
        if let Err(reason) = options.check() {
            return Err(BusError::Unusable { location, reason });
        }
        let options = Arc::new(options);
        Ok(RabbitMqBus {
            bus: Arc::new(Bus {
                publishing: Publishing::new(Arc::clone(&options)),
                receiving: Link::new(Arc::clone(&options), "receiving"),
                options,
                location,
            }),
        })
    }

    /// Connects, unless it is connected.
    pub(crate) async fn reach(&self) -> Result<(), BusError> {
        let reached = self.bus.publishing.reach().await;
        reached.map_err(|trouble| trouble.at(&self.bus.location))
    }
}

impl Bus {
    /// Returns a message that is ready to be sent, or the reason why it is refused.
    fn outgoing(&self, message: &Message) -> Result<Outgoing, BusError> {
        let refused = |reason| refused(message, reason);
        let (size, largest) = (message.payload.len(), self.options.largest_message);
        if size > largest {
            return Err(refused(format!(
                "its payload has {size} bytes and {largest} are allowed; store it elsewhere and send where it is, or raise `largest_message`, and `max_message_size` of the broker"
            )));
        }
        let properties = envelope::properties(message);
        let (size, largest) = (envelope::size(&properties), envelope::LARGEST);
        if size > largest {
            return Err(refused(format!(
                "its attributes and headers have {size} bytes and RabbitMQ takes {largest}; move long values into the payload"
            )));
        }
        let topic = message.topic();
        let Ok(key) = ShortString::try_new(topic.as_str()) else {
            let size = topic.as_str().len();
            return Err(refused(format!(
                "its topic {topic} has {size} bytes and RabbitMQ allows 255; give it a shorter name"
            )));
        };
        Ok(Outgoing {
            // The name was checked when the channel was opened.
            exchange: ShortString::try_new(&*self.options.exchange).unwrap_or_default(),
            key,
            properties,
            body: message.payload.clone(),
        })
    }

    async fn declare(self: &Arc<Self>, queue: &Queue) -> Result<Source, Trouble> {
        let names = Names::of(queue, &self.options)?;
        link::runtime()?;
        let late = |_| Trouble::unavailable("declare a queue", "the broker did not answer in time");
        let declared = timeout(PATIENCE, self.declare_patiently(queue, &names)).await;
        match declared.map_err(late).flatten() {
            Ok(prefetch) => Ok(Source {
                bus: Arc::clone(self),
                queue: queue.clone(),
                names,
                prefetch,
                not_aside: AtomicU32::new(0),
            }),
            Err(trouble) => {
                self.receiving.failed().await;
                Err(trouble)
            }
        }
    }
}

impl Bus {
    /// Retries when the broker itself fails: RabbitMQ ends the connection with an internal error when several clients
    /// create a quorum queue at the same moment.
    async fn declare_patiently(&self, queue: &Queue, names: &Names) -> Result<u16, Trouble> {
        let mut tries = 1;
        loop {
            let declared = self.declare_once(queue, names).await;
            match declared {
                Err(trouble) if trouble.is_of_the_broker() && tries < TRIES => {
                    tracing::debug!(queue = queue.name(), tries, ?trouble, "declaring again");
                    self.receiving.failed().await;
                    sleep(BETWEEN_TRIES * tries).await;
                    tries += 1;
                }
                declared => return declared,
            }
        }
    }

    async fn declare_once(&self, queue: &Queue, names: &Names) -> Result<u16, Trouble> {
        let is_there = queue.is_temporary()
            || topology::is_there(self.receiving.channel().await?, names).await?;
        let channel = self.receiving.channel().await?;
        let (publishing, options) = (&self.publishing, &self.options);
        let prefetch = declared::declare(&channel, publishing, queue, names, options).await?;
        if !is_there {
            sleep(options.settle_time).await;
        }
        Ok(prefetch)
    }
}

/// Returns the error of a message that the broker would never accept.
fn refused(message: &Message, reason: String) -> BusError {
    BusError::Refused {
        id: message.id.clone(),
        name: message.name.clone(),
        reason,
    }
}

impl Publisher for RabbitMqBus {
    /// Publishes all of the messages at once, and waits until the broker has them on disk. When one of them is
    /// refused, none is published; the only exception is the first time that the broker reports a message as too
    /// large.
    ///
    /// If it is dropped while the broker accepts no messages, nothing is published. If it is dropped later, no
    /// messages are added to those already on their way.
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        if messages.is_empty() {
            return Ok(Published::all());
        }
        let outgoing = messages.iter().map(|message| self.bus.outgoing(message));
        let batch = outgoing.collect::<Result<Vec<_>, _>>()?;
        match self.bus.publishing.publish(batch).await {
            Ok(unheard) => Ok(Published::but(unheard)),
            Err(Trouble::Refused { index, reason }) => Err(refused(&messages[index], reason)),
            Err(trouble) => Err(trouble.at(&self.bus.location)),
        }
    }
}

impl Subscriber for RabbitMqBus {
    type Deliveries = RabbitMqDeliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        let declared = self.bus.declare(queue).await;
        declared.map_or_else(|trouble| Err(trouble.at(&self.bus.location)), |_| Ok(()))
    }

    async fn subscribe(&self, queue: &Queue) -> Result<RabbitMqDeliveries, BusError> {
        let subscribed = async {
            let source = self.bus.declare(queue).await?;
            RabbitMqDeliveries::open(source).await
        };
        subscribed
            .await
            .map_err(|trouble| trouble.at(&self.bus.location))
    }
}

impl fmt::Debug for RabbitMqBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqBus")
            .field("options", &self.bus.options)
            .finish()
    }
}
