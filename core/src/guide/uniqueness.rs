//! Uniqueness over streams: one user for each name.
//!
//! An aggregate decides on its own stream, and sees no other. A rule over several streams has to be checked in the step that
//! appends. There are three ways:
//!
//! | | a stream for each name | an entry for each name | a decision model |
//! |---|---|---|---|
//! | what is checked | a small aggregate, whose id is the name | a key of the store that must not be there | a query of which no event may have appeared |
//! | cost | one stream read | none beyond the append | what the query costs |
//! | history of the names | yes | no | yes |
//! | the name can be erased | no, as the names of streams stay | yes | with its events |
//! | right for | names with a life of their own | personal data, names without a history | names in the events themselves, and rules that no key describes |
//!
//! Normalize the value first, so that all spellings that count as equal become one text. Use that text as the id, the key or the tag.
//!
//! A unique [index of a view](crate::View) is not a fourth way. It is checked after the event is in the log, when nothing can refuse
//! the event any more: the projection fails instead.
//!
//! # A stream for each name
//!
//! The name is an aggregate of its own.
//! [`execute_together`](crate::repository::Repositories::execute_together) appends the events of both, or none. If two
//! programs take a name at the same time, one of them succeeds. The other meets a conflict, decides again, and sees that the name is
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
//! To release a name, append an event. Do not tombstone its stream: nobody could take the name again. The names of streams stay in
//! the store for good. If the value is personal data, use a keyed hash of it as the id, or use an entry.
//!
//! # An entry for each name
//!
//! [Entries](crate::Store::write_entries) are small values stored alongside the events. An append
//! [can change entries](crate::store::Append::with_entries) in the same step, and only if they are as expected. Midgard keeps its own
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
//! The name is free again once the entry is removed; the append of the event that releases the name can remove it. Subscriptions do
//! not see entries, and entries have no history.
//!
//! # A decision model
//!
//! A [`DecisionModel`](crate::DecisionModel) of the name is folded from the events that carry the name as a tag, in any stream. Its
//! decision is appended only if no further such event was appended meanwhile:
//!
//! ```standalone_crate
//! use midgard::repository::{ExecuteError, Repositories};
//! use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "user.registered")]
//! struct Registered { #[event(tag = "user_name")] name: String, user: u64 }
//!
//! #[derive(Debug, DecisionModel)]
//! #[decision(events(Registered))]
//! struct UserName { #[decision(tag = "user_name")] name: String, is_taken: bool }
//!
//! impl Apply<Registered> for UserName {
//!     fn apply(&mut self, _: Registered) { self.is_taken = true; }
//! }
//!
//! #[derive(Debug, PartialEq)]
//! struct IsTaken;
//!
//! struct Register { user: u64 }
//!
//! impl Command<UserName> for Register {
//!     type Error = IsTaken;
//!
//!     fn decide(&self, UserName { name, is_taken }: &UserName) -> Result<Events<UserName>, IsTaken> {
//!         if *is_taken {
//!             return Err(IsTaken);
//!         }
//!         Ok(events![Registered { name: name.clone(), user: self.user }.to(format!("user-{}", self.user))])
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let users = Repositories::new(MemoryStore::new());
//! let name = |name: &str| UserName::of(name.trim().to_lowercase());
//! users.execute(name("Ann"), &Register { user: 1 }).await.unwrap();
//! let second = users.execute(name("ann "), &Register { user: 2 }).await;
//! assert!(matches!(second, Err(ExecuteError::Rejected(IsTaken))));
//! # });
//! ```
//!
//! No name needs a stream or an entry of its own, and any rule can be checked in this way: at most three open orders for a customer,
//! or one budget for several teams. If a name can be released, list the event that releases it, too. A decision costs what its query
//! costs.
//!
//! # A request that is handled once
//!
//! [`execute_once`](crate::repository::Repositories::execute_once) does this for any command. It keeps the key in an entry, and
//! answers a repeated request as it answered the first. To make the key part of the history, record it as a tag, and write a small
//! model of it, which can be combined with the model of any command:
//!
//! ```standalone_crate
//! # use midgard::repository::Repositories;
//! # use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "payment.received")]
//! struct PaymentReceived { #[event(tag = "request")] request: String, cents: u64 }
//!
//! #[derive(Debug, DecisionModel)]
//! #[decision(events(PaymentReceived))]
//! struct Request { #[decision(tag)] request: String, is_handled: bool }
//!
//! impl Apply<PaymentReceived> for Request {
//!     fn apply(&mut self, _: PaymentReceived) { self.is_handled = true; }
//! }
//!
//! struct Pay { cents: u64 }
//!
//! impl Command<Request> for Pay {
//!     type Error = std::convert::Infallible;
//!
//!     fn decide(&self, request: &Request) -> Result<Events<Request>, Self::Error> {
//!         if request.is_handled {
//!             return Ok(Events::none()); // handled before: nothing to do
//!         }
//!         Ok(events![PaymentReceived { request: request.request.clone(), cents: self.cents }])
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let payments = Repositories::new(MemoryStore::new());
//! let request = || Request::of("r-1".to_owned());
//! assert!(payments.execute(request(), &Pay { cents: 500 }).await?.place().is_some());
//! assert!(payments.execute(request(), &Pay { cents: 500 }).await?.place().is_none());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Numbers without gaps
//!
//! Every number depends on all earlier ones, so the model has no tag; `all` declares that. Each number is assigned once and none is
//! skipped, even if many programs assign numbers at the same time:
//!
//! ```standalone_crate
//! # use midgard::repository::Repositories;
//! # use midgard::{Apply, Command, DecisionModel, Event, Events, MemoryStore, events};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "invoice.issued")]
//! struct InvoiceIssued { number: u64, cents: u64 }
//!
//! #[derive(Debug, DecisionModel)]
//! #[decision(all, events(InvoiceIssued))]
//! struct InvoiceNumbers { last: u64 }
//!
//! impl Apply<InvoiceIssued> for InvoiceNumbers {
//!     fn apply(&mut self, event: InvoiceIssued) { self.last = event.number; }
//! }
//!
//! struct Issue { cents: u64 }
//!
//! impl Command<InvoiceNumbers> for Issue {
//!     type Error = std::convert::Infallible;
//!
//!     fn decide(&self, numbers: &InvoiceNumbers) -> Result<Events<InvoiceNumbers>, Self::Error> {
//!         let number = numbers.last + 1;
//!         Ok(events![InvoiceIssued { number, cents: self.cents }.to(format!("invoice-{number}"))])
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let invoices = Repositories::new(MemoryStore::new()).with_retries(100); // all of them meet here
//! for number in 1..=3 {
//!     let issued = invoices.execute(InvoiceNumbers::of(), &Issue { cents: 500 }).await?;
//!     assert_eq!(issued.model().last, number);
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Each decision reads all earlier numbers. To keep that short, number the invoices of each year separately, with the year as a tag.
//! Or let an aggregate stand for the invoices of one year: its version is the last number.
//!
//! # A condition on the append
//!
//! A decision model is built on a condition of the append. Programs that use no repositories can state such a condition themselves.
//! An [`AppendCondition`](crate::store::AppendCondition) names a query and a place in the log: the append fails with
//! [`AppendError::ConditionFailed`](crate::store::AppendError::ConditionFailed) if an event after that place matches. So read the
//! events with the same query, decide, and append with the place up to which you have read. The query finds events by name and tag; tags come
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
//! /// Returns whether the user was registered; `false` if the name is taken.
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
//! Within the append, the store checks all events after that place. So pass the place up to which you have read as `after`; with
//! [`Place::START`](crate::Place::START), the store would check the whole log.
