//! Erasing: ends of streams, and what they leave behind.
//!
//! Events are never changed. If the law or a customer demands that something be erased, erase the stream that it is in:
//!
//! | | [`Repository::tombstone`] | [`Repository::truncate`] |
//! |---|---|---|
//! | removes | all events of the stream, with their tags and metadata | those before a version |
//! | the stream | takes no more events | goes on |
//! | loading it | [`LoadError::Tombstoned`](crate::repository::LoadError::Tombstoned) | [`LoadError::Truncated`](crate::repository::LoadError::Truncated) |
//! | versions | never restart | never restart |
//! | projections are notified | yes, by [`StreamTombstoned`](crate::store::StreamTombstoned) | no |
//! | use it for | people, accounts, anything to be forgotten | streams that are only read and appended to, such as those of sensors |
//!
//! Both are durable when they return, and only a backup brings the events back. So keep personal data in streams of their own,
//! one for each person, and let other events refer to the person by an id that reveals nothing: a bill stays when its customer
//! is forgotten.
//!
//! # Rows go with the stream
//!
//! A projection that lists `StreamTombstoned` receives it in the order of the log, and removes the rows that it derived from
//! the stream. A rebuild ends with the same rows: the events are gone by then, but the tombstone is still there.
//!
//! ```standalone_crate
//! # use midgard::{Aggregate, Apply, Event, MemoryStore, Midgard, Repository, events};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "person.registered")]
//! # struct Registered { name: String }
//! # #[derive(Debug, Default, Aggregate)]
//! # #[aggregate(name = "person", id = u64, events(Registered))]
//! # struct Person { name: String }
//! # impl Apply<Registered> for Person {
//! #     fn apply(&mut self, event: Registered) { self.name = event.name; }
//! # }
//! use midgard::store::{ExpectedVersion, StreamTombstoned};
//! use midgard::{Context, HandlerResult, Project, Projection, View, Views};
//!
//! #[derive(Serialize, Deserialize, View)]
//! #[view(key = person)]
//! struct Card { person: u64, name: String }
//!
//! #[derive(Projection)]
//! #[projection(name = "cards", events(Registered, StreamTombstoned), views(Card))]
//! struct Cards;
//!
//! impl Project<Registered> for Cards {
//!     async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
//!         let person = context.recorded().aggregate_id::<Person>()?;
//!         Ok(context.put(Card { person, name: event.name })?)
//!     }
//! }
//!
//! impl Project<StreamTombstoned> for Cards {
//!     async fn project(&self, event: StreamTombstoned, context: &mut Context<'_, Self>) -> HandlerResult {
//!         if let Some(person) = event.id_of::<Person>()? { // or another aggregate was ended
//!             context.remove::<Card>(person)?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let store = MemoryStore::new();
//! let (persons, views) = (Repository::<Person, _>::new(store.clone()), Views::new(store.clone()));
//! persons.save(&7, ExpectedVersion::NoStream, events![Registered { name: "Ann".to_owned() }]).await?;
//! let program = || Midgard::new(store.clone()).project(Cards, views.clone());
//! program().catch_up().await?;
//! assert_eq!(views.get::<Card>(7)?.unwrap().name, "Ann");
//!
//! persons.tombstone(&7, ExpectedVersion::Exists).await?;
//! program().catch_up().await?;
//! assert!(views.get::<Card>(7)?.is_none());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # What is left
//!
//! | where | what | how to remove it |
//! |---|---|---|
//! | the store | the name of the stream, its last version, and when it was ended | use ids that reveal nothing |
//! | `data.mdb` | the bytes of the events, until LMDB reuses their pages, which may never happen | replace the store with a compacting backup, see `midgard-store-lmdb` |
//! | older backups | the events | delete them, or tombstone again after each restore |
//! | views | rows, where the projection does not list `StreamTombstoned` | list it, or raise `version` of the projection, which rebuilds the views |
//! | process managers | copies of the events and answers that they reacted to, in the streams of the processes | let the events carry ids, and nothing personal |
//! | commands and answers | copies of what was sent, in the log | the same |
//! | [parked messages](crate::MidgardHandle::parked_messages), dead-letter queues | messages of other services | [evict](crate::MidgardHandle::evict_message) them |
//! | [dead letters](crate::MidgardHandle::dead_letters) | the names of the event and its stream, and the error's text | [evict](crate::MidgardHandle::evict) them |
//! | keys of [`execute_once`](crate::Repository::execute_once) | the key, and the name of the stream | [`forget_keys`](crate::Repository::forget_keys) |
//! | [entries](crate::Store::write_entries) of your own | what you wrote | remove them |
//! | other services | what they have received | tell them, see below |
//! | logs, traces, mails | what you wrote there | no personal data in errors |
//!
//! A restored backup has the events again. Keep the names of the tombstoned streams outside the store, and tombstone them again
//! after a restore. A read of the log with the query `Query::events::<StreamTombstoned>()` returns the tombstones, with these
//! names.
//!
//! # Other services
//!
//! A published event belongs to the services that received it. Publish another event that asks them to erase it: in a
//! stream that is not itself erased, and with nothing but an id. A tombstone does not wait for the outbox: events that
//! the outbox has not published by then are gone. Wait for it first, with
//! [`MidgardHandle::wait_for`](crate::MidgardHandle::wait_for) and the name of the outbox.
//!
//! The same holds for each subscription and projection: one that lags behind never sees the events that are gone.
//!
//! # Events that must stay readable, without the person
//!
//! If the stream must continue, there are two ways. Append what remains to a new stream, and tombstone the old one. Or
//! encrypt the personal fields with a key for each person, which is kept outside the store, and destroy the key; the
//! events then hold bytes that nobody can read, also in backups and in other services. Midgard does not encrypt; a
//! field's own type can, in its serde impls.
//!
//! [`Repository::tombstone`]: crate::Repository::tombstone
//! [`Repository::truncate`]: crate::Repository::truncate
