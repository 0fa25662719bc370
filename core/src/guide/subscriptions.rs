//! Subscriptions: handlers that are called with each event.
//!
//! A [`Subscription`] hands every event to a handler: in order within a stream, and at least once. Its checkpoint is
//! kept in the store, under its name; so it continues where it was, in this process or in another. It reads one event
//! type, a set, one aggregate type, a query, or everything that the program knows.
//!
//! You choose where it [begins](crate::StartFrom) the first time: with the first event, after a place, at a time, or
//! with what is appended from now on. A mailer that is added to a service and begins with the first event mails all of
//! its history. The same holds for [process managers](crate::Processes::new), which send commands. A projection has no
//! effects elsewhere, and begins with the first event; so does, by default, the first [outbox](crate::Outbox::from) of
//! a store.
//!
//! ```
//! # use midgard::store::{Append, ExpectedVersion};
//! # use midgard::{Event, MemoryStore, Store, StreamName};
//! # use midgard::event::NewEvent;
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "user.created")]
//! # struct UserCreated { email: String }
//! use midgard::consumer::FailurePolicy;
//! use midgard::{Midgard, StartFrom, Subscription};
//!
//! async fn welcome(email: &str) -> Result<(), std::io::Error> {
//!     println!("a mail to {email}");
//!     Ok(())
//! }
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let event = NewEvent::encode(&UserCreated { email: "ann@x.org".to_owned() })?;
//! # store.append(Append::to(StreamName::new("user-1")?, ExpectedVersion::NoStream, [event])).await?;
//! let created = Subscription::<UserCreated>::events("welcome", StartFrom::End)
//!     .on_failure(FailurePolicy::retry(3).then_park());
//! let midgard = Midgard::new(store.clone()).subscribe(created, |delivery| async move {
//!     welcome(&delivery.event.email).await?;
//!     Ok(())
//! });
//! midgard.catch_up().await?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Workers of one name, in one process or several, share the work when the subscription has
//! [`partitions`](crate::Subscription::partitions): each stream stays with one worker, and so its events stay in order.
//! A worker silent for longer than its [`lease`](crate::Subscription::lease) is replaced.
//!
//! [`Subscription`]: crate::Subscription
