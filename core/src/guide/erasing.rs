//! Erasing: ends of streams, and what they leave behind.
//!
//! Events are never changed. What has to go, as the law or a customer wants it, goes by the stream:
//!
//! | | [`Repository::tombstone`] | [`Repository::truncate`] |
//! |---|---|---|
//! | removes | all events of the stream, with their tags and metadata | those before a version |
//! | the stream | takes no more events | goes on |
//! | loading it | [`LoadError::Tombstoned`](crate::repository::LoadError::Tombstoned) | [`LoadError::Truncated`](crate::repository::LoadError::Truncated) |
//! | versions | never restart | never restart |
//! | projections are told | yes, with [`StreamTombstoned`](crate::store::StreamTombstoned) | no |
//! | is for | persons, accounts, what is to be forgotten | streams that are only read and appended to, such as of sensors |
//!
//! Both are durable when they return, and nothing brings the events back but a backup. So keep personal data in streams of their own,
//! one for each person, and let other events name the person by an id that says nothing: a bill stays when its customer is
//! forgotten.
//!
//! # Rows go with the stream
//!
//! A projection that lists `StreamTombstoned` is told of it in its place of the log, and removes what it has made of the stream. A
//! rebuild ends with the same rows: the events are gone then, and the tombstone is still there.
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
//! use midgard::{Context, HandlerError, Project, Projection, View, Views};
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
//!     async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
//!         let person = context.recorded().aggregate_id::<Person>()?;
//!         Ok(context.put(Card { person, name: event.name })?)
//!     }
//! }
//!
//! impl Project<StreamTombstoned> for Cards {
//!     async fn project(&self, event: StreamTombstoned, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
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
//! | where | what | how to be rid of it |
//! |---|---|---|
//! | the store | the name of the stream, its last version, and when it was ended | use ids that say nothing |
//! | `data.mdb` | the bytes of the events, until LMDB uses their pages again, which may be never | a compacting backup in the place of the store, see `midgard-store-lmdb` |
//! | older backups | the events | delete them, or tombstone again after each restore |
//! | views | rows, where the projection does not list `StreamTombstoned` | list it, or raise `version` of the projection, which rebuilds the views |
//! | what process managers have reacted to | copies of the events and answers, in the streams of the processes | let the events carry ids, and nothing personal |
//! | commands and answers | copies of what was sent, in the log | the same |
//! | [parked messages](crate::MidgardHandle::parked_messages), dead-letter queues | messages of other services | [evict](crate::MidgardHandle::evict_message) them |
//! | [dead letters](crate::MidgardHandle::dead_letters) | the names of the event and its stream, and the error's text | [evict](crate::MidgardHandle::evict) them |
//! | keys of [`execute_once`](crate::Repository::execute_once) | the key, and the name of the stream | [`forget_keys`](crate::Repository::forget_keys) |
//! | [entries](crate::Store::write_entries) of your own | what you wrote | remove them |
//! | other services | what they have received | tell them, see below |
//! | logs, traces, mails | what you wrote there | no personal data in errors |
//!
//! A backup that is restored has the events again. Keep the names of the streams that were tombstoned outside of the store, and
//! tombstone them again after a restore. A read of the log with the query `Query::events::<StreamTombstoned>()` returns them.
//!
//! # Other services
//!
//! What was published belongs to those who have received it. Publish an event that asks them to erase, from a stream that is not erased
//! itself, and with an id alone. A tombstone does not wait for the outbox: what the outbox has not published by then is gone. Wait for it
//! first, with [`MidgardHandle::wait_for`](crate::MidgardHandle::wait_for) and the name of the outbox.
//!
//! The same holds for each subscription and projection: one that lags behind never sees the events that are gone.
//!
//! # Events that must stay readable, without the person
//!
//! Where the stream has to go on, two ways are left. Append what remains to a new stream, and tombstone the old one. Or encrypt the
//! personal fields with a key for each person, which is kept outside of the store, and destroy the key; the events then hold
//! bytes that nobody can read, also in backups and in other services. Midgard does not encrypt; a field's own type with its serde can.
//!
//! [`Repository::tombstone`]: crate::Repository::tombstone
//! [`Repository::truncate`]: crate::Repository::truncate
