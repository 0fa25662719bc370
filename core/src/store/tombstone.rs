//! Tombstones, as readers of a log see them.

use crate::aggregate::{Aggregate, AggregateIdError};
use crate::event::Event as _;
use crate::event::codec::Codec;
use crate::event::metadata::{EventId, Metadata};
use crate::event::record::RecordedEvent;
use crate::event::tags::Tags;
use crate::place::{LogId, Position, Version};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The event of a stream that was ended for good: its events are gone, and it accepts no more.
///
/// It is read as an event at the position of the tombstone, but only by readers that name it: list it in `events(..)`
/// of a projection or a process manager, or in the set of a subscription. So rows built from the stream are removed
/// in the order of the log, exactly once, and with the same failure policy as for any event. No other read returns
/// it: neither one of all events, nor one of the stream.
///
/// ```
/// use midgard::store::StreamTombstoned;
/// use midgard::{Context, HandlerError, Project, Projection, View};
/// # use midgard::{Aggregate, Apply, Event};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
/// # #[event(name = "order.placed")]
/// # struct OrderPlaced { order: u64 }
/// # #[derive(Debug, Default, Aggregate)]
/// # #[aggregate(name = "order", id = u64, events(OrderPlaced))]
/// # struct Order;
/// # impl Apply<OrderPlaced> for Order { fn apply(&mut self, _: OrderPlaced) {} }
/// # #[derive(Serialize, Deserialize, View)]
/// # #[view(key = order)]
/// # struct OpenOrder { order: u64 }
///
/// #[derive(Projection)]
/// #[projection(name = "open orders", events(OrderPlaced, StreamTombstoned), views(OpenOrder))]
/// struct OpenOrders;
///
/// impl Project<StreamTombstoned> for OpenOrders {
///     async fn project(&self, event: StreamTombstoned, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
///         if let Some(order) = event.id_of::<Order>()? {
///             context.remove::<OpenOrder>(order)?;
///         }
///         Ok(())
///     }
/// }
/// # impl Project<OrderPlaced> for OpenOrders {
/// #     async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
/// #         Ok(context.put(OpenOrder { order: event.order })?)
/// #     }
/// # }
/// ```
///
/// A projection that is rebuilt afterwards no longer sees the events of the stream, but still receives the tombstone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, crate::Event)]
#[event(name = "midgard.stream_tombstoned", crate = crate)]
pub struct StreamTombstoned {
    stream: String,
    version: u64,
}

impl StreamTombstoned {
    /// Returns the name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Returns the last version of the stream; zero when it never had an event.
    #[must_use]
    pub const fn version(&self) -> Version {
        Version(self.version)
    }

    /// Returns the id of the tombstoned aggregate; `None` when the stream belongs to another type.
    ///
    /// # Errors
    /// [`AggregateIdError::Unreadable`] when the type of the ids cannot parse it.
    pub fn id_of<A: Aggregate>(&self) -> Result<Option<A::Id>, AggregateIdError> {
        match StreamName::from_store(&self.stream).id_of::<A>() {
            Ok(id) => Ok(Some(id)),
            Err(AggregateIdError::OtherAggregate { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the tombstone of a stream as it is read from a log, for authors of stores.
    /// [`Query::asks_for_tombstones`](crate::store::Query::asks_for_tombstones) decides which reads return it.
    #[must_use]
    pub fn recorded(
        stream: StreamName,
        version: Version,
        position: Position,
        id: EventId,
        time: Timestamp,
    ) -> RecordedEvent {
        let payload = serde_json::json!({ "stream": stream.as_str(), "version": version.get() });
        RecordedEvent {
            log: LogId::MAIN,
            position,
            stream,
            version,
            id,
            time,
            name: StreamTombstoned::NAME.to_owned(),
            schema_version: StreamTombstoned::VERSION,
            codec: Codec::JSON,
            payload: payload.to_string().into_bytes(),
            tags: Tags::default(),
            metadata: Metadata::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StreamTombstoned;
    use crate::Event as _;
    use crate::limits::TOMBSTONE;

    #[test]
    fn queries_and_limits_know_the_name() {
        assert_eq!(StreamTombstoned::NAME, TOMBSTONE);
    }
}
