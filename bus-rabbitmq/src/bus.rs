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

/// For how long a declaration may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a queue is declared when the broker fails itself, and how long it is left alone after the first failure.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A bus over RabbitMQ. Clones are the same bus.
///
/// See the [crate](crate) for what it makes at the broker, and for what it promises.
#[derive(Clone)]
pub struct RabbitMqBus {
    bus: Arc<Bus>,
}

/// What all clones share.
pub(crate) struct Bus {
    pub(crate) options: Arc<RabbitMqOptions>,
    pub(crate) location: String,
    pub(crate) publishing: Arc<Publishing>,
    /// Apart from publishing: a broker that runs out of memory stops connections that publish, and must not stop those that
    /// take messages out of it.
    pub(crate) receiving: Link,
}

impl RabbitMqBus {
    /// Connects to the broker at an address: `amqp://user:password@host:5672/vhost`, or `amqps://..` with TLS.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] when it cannot be reached now, [`BusError::Unusable`] when trying again does not help: a
    /// wrong address, password or certificate.
    pub async fn connect(url: &str) -> Result<Self, BusError> {
        Self::options(url).connect().await
    }

    /// Says more than an address.
    pub fn options(url: &str) -> RabbitMqOptions {
        RabbitMqOptions::new(url)
    }

    /// The bus, without connecting yet: it connects when it is used first. With this a service starts while the broker
    /// is down.
    ///
    /// # Errors
    /// [`BusError::Unusable`] when the address is none, or certificates are given for one without TLS.
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

    /// Connects, if it is not connected.
    pub(crate) async fn reach(&self) -> Result<(), BusError> {
        let reached = self.bus.publishing.reach().await;
        reached.map_err(|trouble| trouble.at(&self.bus.location))
    }
}

impl Bus {
    /// A message, ready to be sent; or why it is refused.
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
                "its attributes and headers have {size} bytes and RabbitMQ takes {largest}; put what is long into the payload"
            )));
        }
        let topic = message.topic();
        let Ok(key) = ShortString::try_new(topic.as_str()) else {
            let size = topic.as_str().len();
            return Err(refused(format!(
                "its topic {topic} has {size} bytes and RabbitMQ takes 255; give it a shorter name"
            )));
        };
        Ok(Outgoing {
            // It was checked when the channel was opened.
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
    /// Tries again when the broker fails itself: RabbitMQ ends the connection with an internal error when a quorum queue
    /// is made by several at the same moment.
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

/// The broker would never take a message.
fn refused(message: &Message, reason: String) -> BusError {
    BusError::Refused {
        id: message.id.clone(),
        name: message.name.clone(),
        reason,
    }
}

impl Publisher for RabbitMqBus {
    /// Publishes all of the messages at once, and waits until the broker has them on disk. When one of them is refused,
    /// none is published, but for the first time that the broker says that one is too large for it.
    ///
    /// Dropped while the broker takes no messages, it publishes nothing. Dropped later, it adds nothing to what is on
    /// its way.
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
