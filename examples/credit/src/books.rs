//! The outcome of the orders, summed up from the events of the orders service.

use crate::orders::OrderEvent;
use futures_util::TryStreamExt as _;
use midgard::event::{DecodeError, RecordedEvent};
use midgard::store::{Query, ReadLog, StoreError};
use midgard::{Position, Store};
use midgard_examples::shop::Cents;
use midgard_examples::shop::customer::Purchase;
use midgard_examples::shop::report::{Report, Tally};
use std::collections::HashMap;
use std::fmt;

/// The books of the orders service, up to a position of its log.
#[derive(Debug, Default)]
pub struct Books {
    position: Position,
    /// The pending orders, by the names of their streams.
    pending: HashMap<String, Purchase>,
    placed: u64,
    report: Report,
    cancelled: Tally,
}

/// Why the books could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event could not be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// An order was decided that was not pending.
    #[error(
        "the order of stream \"{stream}\" was decided at position {position} and was not pending"
    )]
    NotPending {
        /// Its stream.
        stream: String,
        /// The position.
        position: Position,
    },
    /// The orders cost more than can be counted.
    #[error(
        "the orders cost more than {} dollars, which is more than can be counted",
        Cents(u64::MAX)
    )]
    TooMuch,
}

impl Books {
    /// Takes in the events of a store until this many orders are placed and none is pending any more.
    ///
    /// # Errors
    /// [`BooksError`]: an event that cannot be read is never passed over.
    pub async fn follow_until_decided<S: Store>(
        &mut self,
        store: &S,
        orders: u64,
    ) -> Result<(), BooksError> {
        let read = ReadLog::forward().from(self.position.next());
        let mut events = store
            .events(read.matching(Query::events::<OrderEvent>()))
            .follow();
        while self.placed < orders || !self.pending.is_empty() {
            match events.try_next().await? {
                Some(event) => self.take(&event)?,
                None => break,
            }
        }
        Ok(())
    }

    /// Returns how many orders are decided.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.placed - self.pending.len() as u64
    }

    fn take(&mut self, event: &RecordedEvent) -> Result<(), BooksError> {
        self.position = event.position;
        let stream = event.stream.as_str();
        let placed = match event.decode()? {
            OrderEvent::OrderPlaced(placed) => {
                self.placed += 1;
                self.report.customers += u64::from(placed.order.number == 1);
                self.report.cds += u64::from(placed.purchase.cds);
                self.pending.insert(stream.to_owned(), placed.purchase);
                return Ok(());
            }
            OrderEvent::OrderApproved(_) => &mut self.report.approved,
            OrderEvent::OrderRejected(_) => &mut self.report.rejected,
            OrderEvent::OrderCancelled(_) => &mut self.cancelled,
        };
        let purchase = self
            .pending
            .remove(stream)
            .ok_or_else(|| BooksError::NotPending {
                stream: stream.to_owned(),
                position: event.position,
            })?;
        placed.add(purchase).ok_or(BooksError::TooMuch)
    }
}

/// The five lines of the shop; and one more when orders were cancelled.
impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Books {
            report, cancelled, ..
        } = self;
        write!(f, "{report}")?;
        if cancelled.orders > 0 {
            write!(f, "\ncancelled {cancelled}")?;
        }
        Ok(())
    }
}
