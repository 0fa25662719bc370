//! Stores: streams, the log, queries.
//!
//! A [`Store`] keeps streams of events and one log of them all. Its documentation lists what every store
//! promises. [`DynStore`] is any store behind one type; stores are cheap to clone. [`Store::events`] reads
//! the log as a [`Stream`](futures_core::Stream) (`futures-util` has its `next`), filtered by a [`Query`];
//! [`EventStream::follow`] continues live. An [`EventSet`] of your own reads events of several aggregates:
//!
//! ```
//! use futures_util::StreamExt;
//! use midgard::store::{Append, ExpectedVersion, Query, ReadLog};
//! use midgard::{Event, EventSet, MemoryStore, Store, StreamName};
//! use midgard::event::NewEvent;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "user.created")]
//! # struct UserCreated { #[event(tag = "email")] email: String }
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.placed")]
//! # struct OrderPlaced {}
//! #[derive(Debug, Clone, EventSet)]
//! enum Mailing {
//!     User(UserCreated),
//!     Order(OrderPlaced),
//! }
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let event = NewEvent::encode(&UserCreated { email: "ann@x.org".to_owned() })?;
//! # store.append(Append::to(StreamName::new("user-1")?, ExpectedVersion::NoStream, [event])).await?;
//! let mut events = store.events(ReadLog::forward().matching(Query::events::<Mailing>())).follow();
//! let first = events.next().await.unwrap()?;
//! match first.decode::<Mailing>()? {
//!     Mailing::User(created) => assert_eq!(created.email, "ann@x.org"),
//!     Mailing::Order(_) => unreachable!(),
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! [`Store::into_events`] returns a stream that owns its store, for responses such as server-sent events; with
//! [`until(handle.stopped())`](crate::store::EventStream::until) it ends with the program. An embedded store that is picked at run
//! time can keep views, too, when it is wrapped with [`DynStore::embedded`](crate::DynStore::embedded).
//!
//! [`DynStore::open`](crate::DynStore::open) opens a store by its address, so that operators choose: `lmdb:data`,
//! `memory:`, and those of other packages that the program uses.
//!
//! Where one order of all events is too slow, `ShardedStore` of `midgard-store-sharded` spreads streams over several
//! stores. Each has a log of its own, and every consumer a place in each.
//!
//! [`DynStore`]: crate::DynStore
//! [`EventSet`]: crate::EventSet
//! [`EventStream::follow`]: crate::store::EventStream::follow
//! [`Query`]: crate::store::Query
//! [`Store`]: crate::Store
//! [`Store::into_events`]: crate::Store::into_events
//! [`Store::events`]: crate::Store::events
