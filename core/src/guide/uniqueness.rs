//! Uniqueness over streams: one user for each name.
//!
//! An aggregate decides on its own stream, and sees no other. A rule over several streams has to be checked in the step that
//! appends. There are three ways:
//!
//! | | a stream for each name | an entry for each name | a condition on the append |
//! |---|---|---|---|
//! | what is checked | a small aggregate, whose id is the name | a key of the store that must not be there | a query of which no event may have appeared |
//! | cost | one stream read | none beyond the append | a scan of the log, as there is no index of tags |
//! | history of the names | yes | no | yes |
//! | the name can be erased | no, as the names of streams stay | yes | with its events |
//! | right for | most unique values | personal data, names without a history | rules that no key describes; small logs |
//!
//! Make one text of all spellings that are to be the same, and use that as the id, the key or the tag.
//!
//! A unique [index of a view](crate::View) is not one of them. It is checked when the event is in the log, where the only answer left
//! is that the projection fails.
//!
//! # A stream for each name
//!
//! The name is an aggregate of its own.
//! [`execute_together`](crate::repository::Repositories::execute_together) appends the events of both, or none. Of two
//! programs that take a name at the same time, one is first; the other meets a conflict, decides again, and sees that the name is
//! taken.
//!
//! ```standalone_crate
//! use midgard::repository::{ExecuteError, Repositories};
//! use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, events};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "user_name.taken")]
//! struct NameTaken { user: u64 }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "user_name.released")]
//! struct NameReleased {}
//!
//! #[derive(Debug, Default, Aggregate)]
//! #[aggregate(name = "user_name", id = String, events(NameTaken, NameReleased), apply = enum)]
//! struct UserName { owner: Option<u64> }
//!
//! impl Apply<UserNameEvent> for UserName {
//!     fn apply(&mut self, event: UserNameEvent) {
//!         self.owner = match event {
//!             UserNameEvent::NameTaken(event) => Some(event.user),
//!             UserNameEvent::NameReleased(_) => None,
//!         }
//!     }
//! }
//!
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "user.registered")]
//! # struct Registered { name: String }
//! # #[derive(Debug, Default, Aggregate)]
//! # #[aggregate(name = "user", id = u64, events(Registered))]
//! # struct User { name: String }
//! # impl Apply<Registered> for User {
//! #     fn apply(&mut self, event: Registered) { self.name = event.name; }
//! # }
//! #[derive(Debug, PartialEq)]
//! struct IsTaken;
//!
//! struct Take { user: u64 }
//!
//! impl Command<UserName> for Take {
//!     type Error = IsTaken;
//!
//!     fn decide(&self, name: &UserName) -> Result<Events<UserName>, IsTaken> {
//!         match name.owner {
//!             None => Ok(events![NameTaken { user: self.user }]),
//!             Some(owner) if owner == self.user => Ok(Events::none()),
//!             Some(_) => Err(IsTaken),
//!         }
//!     }
//! }
//!
//! struct Register { name: String }
//!
//! impl Command<User> for Register {
//!     // ..
//! #     type Error = IsTaken;
//! #     fn decide(&self, _: &User) -> Result<Events<User>, IsTaken> {
//! #         Ok(events![Registered { name: self.name.clone() }])
//! #     }
//! }
//!
//! async fn register(all: &Repositories<MemoryStore>, user: u64, name: &str) -> Result<(), ExecuteError<IsTaken>> {
//!     let (key, register) = (name.trim().to_lowercase(), Register { name: name.to_owned() });
//!     all.execute_together(async |unit| -> Result<(), ExecuteError<IsTaken>> {
//!         unit.execute::<UserName, _>(&key, &Take { user }).await?;
//!         unit.execute::<User, _>(&user, &register).await?;
//!         Ok(())
//!     })
//!     .await?;
//!     Ok(())
//! }
//!
//! # midgard::block_on(async {
//! let all = Repositories::new(MemoryStore::new());
//! register(&all, 1, "Ann").await.unwrap();
//! let second = register(&all, 2, "ann ").await;
//! assert!(matches!(second, Err(ExecuteError::Rejected(IsTaken))));
//! assert!(!all.of::<User>().exists(&2).await.unwrap(), "all or nothing");
//! # });
//! ```
//!
//! A name that is given up is released with an event. Do not tombstone its stream: nobody could take the name again. The names of
//! streams stay in the store for good; where the value is personal, let the id be a keyed hash of it, or use an entry.
//!
//! # An entry for each name
//!
//! [Entries](crate::Store::write_entries) are small values beside the events. An append
//! [changes some](crate::store::Append::with_entries) in the same step, and only if they are as expected. Midgard keeps its own
//! notes there, so begin your keys with the name of your program.
//!
//! ```
//! # use midgard::event::NewEvent;
//! # use midgard::{Event, MemoryStore, Store, StreamName};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "user.registered")]
//! # struct Registered { name: String }
//! use midgard::store::{Append, AppendError, EntryWrite, ExpectedVersion};
//!
//! async fn register(store: &MemoryStore, user: u64, name: &str) -> Result<(), AppendError> {
//!     let key = format!("forum/user-name/{}", name.trim().to_lowercase());
//!     let take = EntryWrite::new().expect(key.as_bytes(), None).put(key.as_bytes(), &user.to_be_bytes());
//!     let event = NewEvent::encode(&Registered { name: name.to_owned() })?;
//!     let stream = StreamName::new(format!("user-{user}"))?;
//!     store.append(Append::to(stream, ExpectedVersion::NoStream, [event]).with_entries(take)).await?;
//!     Ok(())
//! }
//!
//! # midgard::block_on(async {
//! let store = MemoryStore::new();
//! register(&store, 1, "Ann").await?;
//! let second = register(&store, 2, "ann ").await;
//! assert!(matches!(second, Err(AppendError::EntryChanged { .. })));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The name is free again once the entry is removed, which may be done in the append of the event that says so. No subscription sees
//! entries, and they have no past.
//!
//! # A condition on the append
//!
//! An [`AppendCondition`](crate::store::AppendCondition) names a query and a place in the log: the append fails with
//! [`AppendError::ConditionFailed`](crate::store::AppendError::ConditionFailed) where an event after that place matches. Read what
//! there is with the same query, decide, and append unless something came after it. The query finds events by name and tag; tags come
//! from fields, as in `#[event(tag = "name")]`.
//!
//! ```
//! # use midgard::event::NewEvent;
//! # use midgard::{Event, MemoryStore, Store, StreamName};
//! # use serde::{Deserialize, Serialize};
//! # use std::ops::ControlFlow;
//! use midgard::Place;
//! use midgard::store::{Append, AppendCondition, AppendError, ExpectedVersion, Query, QueryItem, ReadLog};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "user.registered")]
//! struct Registered { #[event(tag = "name")] name: String }
//!
//! /// Whether the user is registered now; `false` where the name is taken.
//! async fn register(store: &MemoryStore, user: u64, name: &str) -> Result<bool, AppendError> {
//!     let name = name.trim().to_lowercase();
//!     let query = Query::from(QueryItem::new().events::<Registered>().tag(format!("name:{name}")));
//!     let (mut is_taken, read) = (false, ReadLog::forward().matching(query.clone()));
//!     let seen = store.read_log(&read, &mut |_| { is_taken = true; ControlFlow::Break(()) }).await?;
//!     if is_taken {
//!         return Ok(false);
//!     }
//!     let event = NewEvent::encode(&Registered { name })?;
//!     let append = Append::to(StreamName::new(format!("user-{user}"))?, ExpectedVersion::NoStream, [event]);
//!     store.append(append.unless(AppendCondition { query, after: Place::main(seen) })).await?; // decide again where it fails
//!     Ok(true)
//! }
//!
//! # midgard::block_on(async {
//! let store = MemoryStore::new();
//! assert!(register(&store, 1, "Ann").await?);
//! assert!(!register(&store, 2, "ann ").await?);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Nothing is reserved, and the rule may be any: three open orders for a customer at most, a budget over several teams. The
//! price is the scan. The store scans again what came after that place, within the append, so let `after` be what was read up
//! to, and not [`Place::START`](crate::Place::START).
