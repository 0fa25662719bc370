//! Places the purchases of a listing as orders, in its order.

use crate::messages::OrderId;
use crate::orders::{Order, OrderPlaced};
use futures_util::TryStreamExt as _;
use midgard::event::{DecodeError, EncodeError, NewEvent};
use midgard::limits::LimitError;
use midgard::store::{Append, AppendError, ExpectedVersion, Query, ReadLog, StoreError};
use midgard::{Store, StreamName};
use midgard_examples::shop::customer::{CustomerId, Purchase};
use midgard_examples::shop::listing::Row;
use std::collections::HashMap;
use std::time::Duration;

/// How many orders are placed in one append.
const AT_ONCE: usize = 256;

/// The reason why an import ended before its last row.
#[derive(Debug, thiserror::Error)]
pub enum ImportError<E> {
    /// A row could not be read. All rows before it are placed.
    #[error(transparent)]
    Row(E),
    /// The store was filled from another listing.
    #[error(
        "order {order} is known as {} CDs for {} on {}, not {} for {} on {}; the store was filled from another listing",
        known.cds, known.total, known.date, given.cds, given.total, given.date
    )]
    Differs {
        /// The order.
        order: OrderId,
        /// The earlier purchase.
        known: Purchase,
        /// The purchase in the listing.
        given: Purchase,
    },
    /// The orders could not be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The orders of an earlier run could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An order of an earlier run could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An order could not be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The name of a stream was refused.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Places every row as an order of its customer; returns how many there are. Orders of an earlier run are recognised.
///
/// # Errors
/// [`ImportError`]; after a row that could not be read, the orders before it are all placed first.
pub async fn import<S: Store, E>(
    store: &S,
    rows: impl IntoIterator<Item = Result<Row, E>>,
    answer_within: Duration,
) -> Result<u64, ImportError<E>> {
    let mut numbers: HashMap<CustomerId, u64> = HashMap::new();
    let mut orders = rows.into_iter().map(|row| {
        let Row { customer, purchase } = row.map_err(ImportError::Row)?;
        let number = numbers.entry(customer).or_default();
        *number += 1;
        let number = *number;
        Ok(OrderPlaced {
            order: OrderId { customer, number },
            purchase,
            answer_within: answer_within.as_secs(),
        })
    });
    let mut placed = 0;
    // Orders are placed in the order of the listing: so those of an earlier run are its first ones.
    let read = ReadLog::forward().matching(Query::events::<OrderPlaced>());
    let mut known = store.events(read);
    while let Some(event) = known.try_next().await? {
        let Some(given) = orders.next().transpose()? else {
            return Ok(placed);
        };
        let known: OrderPlaced = event.decode()?;
        if (known.order, known.purchase) != (given.order, given.purchase) {
            return Err(ImportError::Differs {
                order: known.order,
                known: known.purchase,
                given: given.purchase,
            });
        }
        placed += 1;
    }
    loop {
        let (mut append, mut unreadable, mut taken) = (Append::default(), None, 0);
        while unreadable.is_none() && taken < AT_ONCE {
            match orders.next() {
                Some(Ok(order)) => {
                    let stream = StreamName::of::<Order>(&order.order)?;
                    let event = NewEvent::encode(&order)?;
                    append = append.and(stream, ExpectedVersion::NoStream, [event]);
                    taken += 1;
                }
                Some(Err(error)) => unreadable = Some(error),
                None => break,
            }
        }
        if taken > 0 {
            store.append(append).await?;
            placed += taken as u64;
        }
        if let Some(error) = unreadable {
            return Err(error);
        }
        if taken == 0 {
            return Ok(placed);
        }
    }
}
