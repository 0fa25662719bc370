//! A bus that is picked at run time.

use super::{BusError, Deliveries, Message, Published, Publisher, Queue, Received, Subscriber};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// Any bus behind one type, for programs that pick the bus at run time. Cheap to clone.
///
/// ```
/// use midgard::bus::{DynBus, InProcessBus};
///
/// let bus: DynBus = match std::env::var("BUS").as_deref() {
///     // Ok("nats") => DynBus::new(NatsBus::connect("nats://127.0.0.1").await?),
///     _ => DynBus::new(InProcessBus::new()),
/// };
/// ```
#[derive(Clone)]
pub struct DynBus(Arc<dyn ErasedBus>);

impl DynBus {
    /// Wraps a bus.
    #[must_use]
    pub fn new(bus: impl Publisher + Subscriber) -> Self {
        DynBus(Arc::new(bus))
    }
}

impl fmt::Debug for DynBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynBus").finish_non_exhaustive()
    }
}

/// The messages of a queue of a [`DynBus`].
pub struct DynDeliveries(Box<dyn ErasedDeliveries>);

impl fmt::Debug for DynDeliveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynDeliveries").finish_non_exhaustive()
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send + 'a>>;

/// [`Publisher`] and [`Subscriber`] with boxed futures, so that they can be a trait object.
trait ErasedBus: Send + Sync + 'static {
    fn publish<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Published>;
    fn declare<'a>(&'a self, queue: &'a Queue) -> Boxed<'a, ()>;
    fn subscribe<'a>(&'a self, queue: &'a Queue) -> Boxed<'a, DynDeliveries>;
}

impl<B: Publisher + Subscriber> ErasedBus for B {
    fn publish<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Published> {
        Box::pin(Publisher::publish(self, messages))
    }

    fn declare<'a>(&'a self, queue: &'a Queue) -> Boxed<'a, ()> {
        Box::pin(Subscriber::declare(self, queue))
    }

    fn subscribe<'a>(&'a self, queue: &'a Queue) -> Boxed<'a, DynDeliveries> {
        Box::pin(async move {
            let deliveries = Subscriber::subscribe(self, queue).await?;
            Ok(DynDeliveries(Box::new(deliveries)))
        })
    }
}

/// [`Deliveries`] with boxed futures.
trait ErasedDeliveries: Send + 'static {
    fn next(&mut self) -> Boxed<'_, Received>;
}

impl<D: Deliveries> ErasedDeliveries for D {
    fn next(&mut self) -> Boxed<'_, Received> {
        Box::pin(Deliveries::next(self))
    }
}

impl Publisher for DynBus {
    async fn publish(&self, messages: &[Message]) -> Result<Published, BusError> {
        self.0.publish(messages).await
    }
}

impl Subscriber for DynBus {
    type Deliveries = DynDeliveries;

    async fn declare(&self, queue: &Queue) -> Result<(), BusError> {
        self.0.declare(queue).await
    }

    async fn subscribe(&self, queue: &Queue) -> Result<DynDeliveries, BusError> {
        self.0.subscribe(queue).await
    }
}

impl Deliveries for DynDeliveries {
    async fn next(&mut self) -> Result<Received, BusError> {
        self.0.next().await
    }
}
