//! A log of sales, in a store and raw, and the rows that both sides keep of them.

use crate::raw::Raw;
use crate::recorded;
use crate::workload::Random;
use crate::{Bench, Outcome};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{Event, LogId, Position, Store, StreamName, View, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// How many events there are.
pub(super) const EVENTS: u64 = 100_000;
/// How many customers they belong to, at random.
const CUSTOMERS: usize = 10_000;
/// How many events are appended at once.
const AT_ONCE: u64 = 1000;

/// About 220 bytes of JSON.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "sold")]
pub(super) struct Sold {
    pub(super) order: u64,
    pub(super) customer: u32,
    pub(super) product: String,
    pub(super) quantity: u32,
    pub(super) cents: u64,
    street: String,
    city: String,
    country: String,
    note: Option<String>,
}

impl Sold {
    fn new(order: u64, customer: u32) -> Self {
        Sold {
            order,
            customer,
            product: format!("compact-disc-{:08}", order % 20_000),
            quantity: 1 + (order % 3) as u32,
            cents: 1499 + order % 1000,
            street: "1200 Upper Meadow Lane".to_owned(),
            city: "Springfield".to_owned(),
            country: "US".to_owned(),
            note: Some("leave it at the door, please, and ring the bell".to_owned()),
        }
    }
}

/// A customer's purchases: a row that each of the customer's events changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = customer, index(cents, ordered))]
pub(super) struct Total {
    pub(super) customer: u32,
    pub(super) orders: u64,
    pub(super) cents: u64,
}

impl Total {
    pub(super) const fn none(customer: u32) -> Self {
        Total {
            customer,
            orders: 0,
            cents: 0,
        }
    }

    pub(super) const fn add(&mut self, sold: &Sold) {
        self.orders += 1;
        self.cents += sold.cents * sold.quantity as u64;
    }
}

/// One order: a row for each event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, View)]
#[view(key = order)]
pub(super) struct Order {
    pub(super) order: u64,
    pub(super) customer: u32,
    pub(super) product: String,
    pub(super) quantity: u32,
    pub(super) cents: u64,
}

impl From<Sold> for Order {
    fn from(sold: Sold) -> Self {
        Order {
            order: sold.order,
            customer: sold.customer,
            product: sold.product,
            quantity: sold.quantity,
            cents: sold.cents,
        }
    }
}

/// The log, in a store and raw.
pub(super) struct Sales {
    pub(super) store: LmdbStore,
    pub(super) last: Position,
    pub(super) raw: Raw,
    /// Where the payload begins in each record: a raw loop need not find out.
    pub(super) offset: usize,
    _directories: [TempDir; 2],
}

impl Sales {
    pub(super) fn new(bench: &Bench) -> Outcome<Self> {
        let directories = [bench.directory()?, bench.directory()?];
        let [ours, copy] = directories.each_ref().map(TempDir::path);
        let store = LmdbStore::options()
            .durability(Durability::NoSync)
            .open(ours)?;
        let mut random = Random(1);
        for first in (1..=EVENTS).step_by(AT_ONCE as usize) {
            let mut append = Append::default();
            for order in first..first + AT_ONCE {
                let sold = Sold::new(order, random.below(CUSTOMERS) as u32);
                let stream = StreamName::new(format!("order-{order}"))?;
                let event = NewEvent::encode(&sold)?;
                append = append.and(stream, ExpectedVersion::NoStream, [event]);
            }
            block_on(store.append(append))?;
        }
        let last = block_on(store.last_position(LogId::MAIN))?;
        let (raw, offset) = recorded::written_raw(&store, copy)?;
        drop(store);
        Ok(Sales {
            store: LmdbStore::open(ours)?,
            last,
            raw,
            offset,
            _directories: directories,
        })
    }
}
