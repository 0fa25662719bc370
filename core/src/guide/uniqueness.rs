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
//! # A decision model
//!
//! A [`DecisionModel`](crate::DecisionModel) of the name is folded from the events that have the name as a tag, in whatever
//! streams they are, and its decision is appended only if no other has come:
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
//! Nothing is reserved, and the rule may be any: three open orders for a customer at most, a budget over several teams. Where a
//! name can be given up, list that event too. The cost of the read is that of the query.
//!
//! # A request that is handled once
//!
//! [`execute_once`](crate::repository::Repositories::execute_once) does it for any command, with a key in an entry, and answers a
//! repeat as the first time. Where the key is to be part of the history, let it be a tag, and a small model of its own, which is added
//! to that of any command:
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
//! Every number depends on all before it, so the model has no tag, which it says with `all`. Each number is given once, and none is
//! left out, however many programs give them at the same time:
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
//! Each decision reads all numbers before it: give each year its own numbers, with the year as a tag. Or make it an aggregate, the
//! invoices of one year, whose last version is the last number.
//!
//! # A condition on the append
//!
//! Below a decision model is a condition, which programs without repositories can state themselves.
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
//! The store looks again at what came after that place, within the append, so let `after` be what was read up to, and not
//! [`Place::START`](crate::Place::START).
