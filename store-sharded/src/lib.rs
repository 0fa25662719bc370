//! One store of [`midgard`] over several: streams are spread over shards, each a store with a log of its own.
//!
//! A store has one order of all its events, and so one place where they are put in order: a disk, or a row of a
//! database. Where that is too slow, its streams are spread over several stores, of any package:
//!
//! ```
//! use midgard::event::NewEvent;
//! use midgard::store::{Append, ExpectedVersion};
//! use midgard::{LogId, Store, StreamName};
//! use midgard_store_lmdb::LmdbStore;
//! use midgard_store_sharded::ShardedStore;
//!
//! # let directory = tempfile::tempdir()?;
//! # let data = |shard: u32| directory.path().join(shard.to_string());
//! # midgard::block_on(async {
//! let shards = [LmdbStore::open(data(0))?, LmdbStore::open(data(1))?];
//! let store = ShardedStore::open(shards).await?;
//! let placed = NewEvent::json("order.placed", 1, b"{}".to_vec());
//! let order = StreamName::new("order-42")?;
//! let appended = store.append(Append::to(order.clone(), ExpectedVersion::NoStream, [placed])).await?;
//! assert_eq!(appended.log, store.log_of(&order));
//! assert_eq!(store.logs().await?, [LogId(0), LogId(1)]);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is lost
//!
//! - **There is no order between events of different shards.** Each consumer has a place in each log, and handles the
//!   events of each in order. A projection may see an order's payment before the order, where they are in two shards.
//! - **An append is in one shard**, with all its streams and its condition: otherwise it is
//!   [`StoreError::SeveralLogs`]. [`Routing::Id`] puts streams of the same id into one shard. A process manager or a
//!   handler of messages that executes commands on two aggregates in one step needs both in one shard; commands that are
//!   sent as messages do not.
//! - **[Decision models](midgard::DecisionModel) read the main log**, which is the first shard, and append to its streams only.
//! - **The number of shards is final.** It is written down in each, with the [`Routing`]; to change it, copy the events into
//!   new stores.
//!
//! # What is kept
//!
//! All else that a [`Store`](midgard::Store#what-every-store-promises) promises, for each log. [Entries](midgard::Store::write_entries)
//! are not sharded: all are in the first shard, and an append to another one changes them in one step with its events
//! all the same. That takes five writes instead of one, and the entries are locked for three of them; so a consumer that appends
//! in the first shard is faster than elsewhere. Its locks are not held by a process: when one ends in the middle, the next
//! that meets them completes the append or takes it back, after some seconds at most.
//!
//! # What the shards must keep
//!
//! What one shard has acknowledged, it must keep as long as the others do: events in one and entries in another belong
//! together. So open LMDB stores with full durability, fail over to replicas that have all that was acknowledged, and
//! make a backup of all shards together, while nobody writes. Reads of entries need the first shard, and those whose appends
//! are in progress there.
//!
//! One write has at most 512 entries less than in other stores, and some bytes for each entry less.
//!
//! Nothing here writes to a disk or a network by itself, and no runtime is needed beyond those of the shards.

mod entries;
mod opening;
mod routing;
mod store;

/// The program in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doc)]
use midgard::store::StoreError;
pub use opening::OpenError;
pub use routing::Routing;
pub use store::ShardedStore;
