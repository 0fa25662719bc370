//! Aggregates of 100 events each, in a store and in a raw copy of it.

use crate::raw::Raw;
use crate::recorded;
use crate::{Bench, Outcome};
use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion, ReadLog};
use midgard::{Aggregate, Apply, Event, Store, StreamName, Version, block_on};
use midgard_store_lmdb::{Durability, LmdbStore};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use tempfile::TempDir;

/// How many aggregates there are.
pub(super) const AGGREGATES: u32 = 1000;
/// How many events each has.
pub(super) const EVENTS: u32 = 100;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.booked")]
pub(super) struct OrderPlaced {
    number: u64,
    product: String,
    quantity: u32,
    cents: u64,
    address: Address,
    note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Address {
    street: String,
    city: String,
    country: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.shipped")]
pub(super) struct OrderShipped {
    number: u64,
    carrier: String,
    tracking: String,
    parcels: Vec<u32>,
    address: Address,
}

/// Both sides fold into this.
#[derive(Debug, Default, PartialEq, Eq, Aggregate)]
#[aggregate(name = "buyer", id = u32, events(OrderPlaced, OrderShipped))]
pub(super) struct Buyer {
    pub(super) cents: u64,
    pub(super) parcels: u64,
}

impl Apply<OrderPlaced> for Buyer {
    fn apply(&mut self, event: OrderPlaced) {
        self.cents += event.cents * u64::from(event.quantity);
    }
}

impl Apply<OrderShipped> for Buyer {
    fn apply(&mut self, event: OrderShipped) {
        self.parcels += event.parcels.len() as u64;
    }
}

fn address() -> Address {
    Address {
        street: "1200 Upper Meadow Lane".to_owned(),
        city: "Springfield".to_owned(),
        country: "US".to_owned(),
    }
}

/// About 220 bytes of JSON.
fn event(number: u64) -> BuyerEvent {
    if number % 2 == 1 {
        OrderPlaced {
            number,
            product: format!("compact-disc-{number:08}"),
            quantity: 2,
            cents: 1499 + number,
            address: address(),
            note: Some("leave it at the door, please, and ring the bell twice".to_owned()),
        }
        .into()
    } else {
        OrderShipped {
            number,
            carrier: "Overland and Sea Parcels".to_owned(),
            tracking: format!("TRACK-{number:024}"),
            parcels: vec![1, 2, 3],
            address: address(),
        }
        .into()
    }
}

/// Where the payload of a record is, and its type: raw reads need not find out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    offset: usize,
    placed: bool,
}

impl Place {
    /// The payload of a record.
    pub(super) fn payload(self, record: &[u8]) -> &[u8] {
        &record[self.offset..]
    }

    /// Decodes the payload of a record.
    pub(super) fn decode(self, record: &[u8]) -> serde_json::Result<BuyerEvent> {
        let payload = self.payload(record);
        Ok(if self.placed {
            serde_json::from_slice::<OrderPlaced>(payload)?.into()
        } else {
            serde_json::from_slice::<OrderShipped>(payload)?.into()
        })
    }
}

/// A store with the aggregates, and the same records raw.
pub(super) struct Orders {
    pub(super) store: LmdbStore,
    pub(super) raw: Raw,
    /// By position, from 1.
    pub(super) places: Vec<Place>,
    _directories: [TempDir; 2],
}

impl Orders {
    pub(super) fn new(bench: &Bench) -> Outcome<Self> {
        let directories = [bench.directory()?, bench.directory()?];
        let [ours, copy] = directories.each_ref().map(TempDir::path);
        let store = LmdbStore::options()
            .durability(Durability::NoSync)
            .open(ours)?;
        for number in 1..=u64::from(EVENTS) {
            block_on(store.append(next_of_each(number)?))?;
        }
        let (raw, offset) = recorded::written_raw(&store, copy)?;
        let mut places = Vec::new();
        block_on(store.read_log(&ReadLog::forward(), &mut |event| {
            let placed = event.name == OrderPlaced::NAME;
            places.push(Place { offset, placed });
            ControlFlow::Continue(())
        }))?;
        drop(store);
        Ok(Orders {
            store: LmdbStore::open(ours)?,
            raw,
            places,
            _directories: directories,
        })
    }

    /// Returns the position of an event of an aggregate: the aggregates have their events in turn.
    pub(super) const fn position(aggregate: u32, number: u32) -> u64 {
        (number as u64 - 1) * AGGREGATES as u64 + aggregate as u64 + 1
    }
}

fn next_of_each(number: u64) -> Outcome<Append> {
    (0..AGGREGATES).try_fold(Append::default(), |append, aggregate| {
        let stream = StreamName::of::<Buyer>(&aggregate)?;
        let expected: ExpectedVersion = Version(number - 1).into();
        Ok(append.and(stream, expected, [NewEvent::encode(&event(number))?]))
    })
}
