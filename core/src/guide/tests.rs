//! Testing without a program: test kits, and a clock that tests move.
//!
//! - [`testing::given`] tests an aggregate: events that happened, a command, and what it decides. No store is involved.
//! - [`testing::given_model`] tests a decision model in the same way.
//! - [`testing::given_process`] tests a process manager: its inputs, and what follows from them. No store and no bus are
//!   involved.
//! - [`testing::given_projection`] tests a projection: events, and the rows that it derives from them. The projection itself
//!   runs, on a store in memory, and its views are rebuilt to check that they come out the same.
//!
//! The derive of an aggregate adds one test to your crate, which checks that no two event types of the program claim one name.
//!
//! # Time
//!
//! A [`ManualClock`] stands still until a test moves it. [`MemoryStore::with_clock`] and the options of the LMDB store date
//! events by it, and the deadlines of a program that is created with [`Midgard::with_clock`] follow it, so that no test sleeps:
//!
//! ```
//! # use midgard::event::{NewEvent, RecordedEventRef};
//! # use midgard::store::{Append, ExpectedVersion, ReadStream};
//! # use midgard::{Event, Expire, ProcessManager, Processes, React, Reactions, Store, StreamName};
//! # use serde::{Deserialize, Serialize};
//! use midgard::clock::ManualClock;
//! use midgard::{MemoryStore, Midgard, StartFrom};
//! use std::time::Duration;
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.placed")]
//! # struct OrderPlaced { order: u64 }
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.unpaid")]
//! # struct Unpaid {}
//! # #[derive(Default, ProcessManager)]
//! # #[process_manager(name = "payment", id = u64, events(OrderPlaced), deadlines(Unpaid))]
//! # struct Payment {}
//! # impl React<OrderPlaced> for Payment {
//! #     fn process(event: &OrderPlaced, _: &RecordedEventRef<'_>) -> Option<u64> { Some(event.order) }
//! #     fn react(&mut self, _: OrderPlaced, reactions: &mut Reactions<Self>) {
//! #         reactions.remind(Duration::from_secs(900), &Unpaid {});
//! #     }
//! # }
//! # impl Expire<Unpaid> for Payment {
//! #     fn expired(&mut self, _: Unpaid, reactions: &mut Reactions<Self>) { reactions.complete(); }
//! # }
//!
//! # midgard::block_on(async {
//! let clock = ManualClock::at("2026-11-25T18:30:00Z".parse()?);
//! let store = MemoryStore::with_clock(&clock);
//! let payments = || Midgard::with_clock(store.clone(), &clock).process_manager(Processes::<Payment>::new(StartFrom::Start));
//! # let placed = NewEvent::encode(&OrderPlaced { order: 7 })?;
//! # store.append(Append::to(StreamName::new("order-7")?, ExpectedVersion::NoStream, [placed])).await?;
//! // .. an order is placed, which is to be paid within 15 minutes
//! payments().catch_up().await?;
//! clock.advance(Duration::from_secs(15 * 60));
//! payments().catch_up().await?;
//! // .. and the deadline has fired
//! assert_eq!(payments().handle().processes("payment").await?, []);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! [`ManualClock`]: crate::clock::ManualClock
//! [`MemoryStore::with_clock`]: crate::MemoryStore::with_clock
//! [`Midgard::with_clock`]: crate::Midgard::with_clock
//! [`testing::given`]: crate::testing::given
//! [`testing::given_model`]: crate::testing::given_model
//! [`testing::given_process`]: crate::testing::given_process
//! [`testing::given_projection`]: crate::testing::given_projection
