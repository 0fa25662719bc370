//! Event sourcing: annotate plain structs, and the compiler refuses a program that forgets an event.
//!
//! This page is the guide. The repository's README has a whole program on the durable store of
//! `midgard-store-lmdb`; here everything runs on the [`MemoryStore`].
//!
//! # Events
//!
//! An event is a fact that happened. One struct is one event; its name and version are literals,
//! because they are what is stored.
//!
//! ```
//! use midgard::Event;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "account.credited")]
//! struct Credited { cents: u64 }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "account.debited")]
//! struct Debited { cents: u64 }
//! ```
//!
//! [`Event`] says how to make a new version of an event, and how to tag one.
//!
//! # Aggregates
//!
//! An aggregate is a state that its own events add up to. It has one [`Apply`] for each event that it
//! lists; a forgotten one does not compile. `Default` is the state before the first event.
//!
//! ```
//! # use midgard::{Aggregate, Apply, Event};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "account.credited")]
//! # struct Credited { cents: u64 }
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "account.debited")]
//! # struct Debited { cents: u64 }
//! #[derive(Debug, Default, Aggregate)]
//! #[aggregate(name = "account", id = String, events(Credited, Debited))]
//! struct Account { balance: u64 }
//!
//! impl Apply<Credited> for Account {
//!     fn apply(&mut self, event: Credited) { self.balance += event.cents; }
//! }
//!
//! impl Apply<Debited> for Account {
//!     fn apply(&mut self, event: Debited) { self.balance -= event.cents; }
//! }
//! ```
//!
//! # Commands, and a repository to run them
//!
//! A [`Command`] decides on the state: it refuses, or names the events that follow. A [`Repository`]
//! loads the aggregate, lets the command decide, and appends; when others appended meanwhile, it
//! decides again.
//!
//! ```standalone_crate
//! # use midgard::{Aggregate, Apply, Event};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "account.credited")]
//! # struct Credited { cents: u64 }
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "account.debited")]
//! # struct Debited { cents: u64 }
//! # #[derive(Debug, Default, Aggregate)]
//! # #[aggregate(name = "account", id = String, events(Credited, Debited))]
//! # struct Account { balance: u64 }
//! # impl Apply<Credited> for Account {
//! #     fn apply(&mut self, event: Credited) { self.balance += event.cents; }
//! # }
//! # impl Apply<Debited> for Account {
//! #     fn apply(&mut self, event: Debited) { self.balance -= event.cents; }
//! # }
//! use midgard::{Command, Events, ExecuteError, MemoryStore, Repository, events};
//!
//! #[derive(Debug)]
//! struct Overdrawn;
//!
//! enum Book { Deposit(u64), Withdraw(u64) }
//!
//! impl Command<Account> for Book {
//!     type Error = Overdrawn;
//!
//!     fn decide(&self, account: &Account) -> Result<Events<Account>, Overdrawn> {
//!         match *self {
//!             Book::Deposit(cents) => Ok(events![Credited { cents }]),
//!             Book::Withdraw(cents) if cents > account.balance => Err(Overdrawn),
//!             Book::Withdraw(cents) => Ok(events![Debited { cents }]),
//!         }
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let accounts = Repository::<Account, _>::new(MemoryStore::new());
//! let ann = "ann".to_owned();
//! accounts.execute(&ann, &Book::Deposit(500)).await.unwrap();
//! let account = accounts.execute(&ann, &Book::Withdraw(120)).await.unwrap();
//! assert_eq!((account.state().balance, account.version().get()), (380, 2));
//!
//! let refused = accounts.execute(&ann, &Book::Withdraw(1_000)).await;
//! assert!(matches!(refused, Err(ExecuteError::Rejected(Overdrawn))));
//! # });
//! ```
//!
//! # Stores
//!
//! A [`Store`] keeps streams of events and one log of them all. Its documentation lists what every store
//! promises. [`DynStore`] is any of them behind one type; stores are cheap to clone. [`Store::events`] reads
//! the log as a [`Stream`](futures_core::Stream) (`futures-util` has its `next`), filtered by a [`Query`];
//! [`EventStream::follow`] goes on live. An [`EventSet`] of your own reads events of several aggregates:
//!
//! ```
//! use futures_util::StreamExt;
//! use midgard::{Append, Event, EventSet, ExpectedVersion, MemoryStore, NewEvent, Query, ReadLog, Store, StreamName};
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
//! # Subscriptions
//!
//! A [`Subscription`] hands every event to a handler: in order within a stream, and at least once. Its
//! checkpoint is kept in the store, under its name; so it goes on where it was, and does not care in which
//! process. It begins at the start of the log, after a position or at the end, and reads one event type, a set,
//! one aggregate type, a query, or everything that the program knows.
//!
//! ```
//! # use midgard::{Append, Event, ExpectedVersion, MemoryStore, NewEvent, Store, StreamName};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "user.created")]
//! # struct UserCreated { email: String }
//! use midgard::{FailurePolicy, Midgard, Subscription};
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
//! let created = Subscription::<UserCreated>::events("welcome")
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
//! [`partitions`](Subscription::partitions): each stream stays with one worker, and so in order. Who is gone
//! for longer than its [`lease`](Subscription::lease) is replaced.
//!
//! # Views, and projections that keep them
//!
//! A [`View`] is a row of a table, found by its key and by its indexes. A [`Projection`] has one [`Project`] for
//! each event that it lists; a forgotten one does not compile. Rows and checkpoint are committed together, so
//! every event has its effect exactly once, whenever the process is killed.
//!
//! ```
//! # use midgard::{Append, Event, ExpectedVersion, MemoryStore, NewEvent, Store, StreamName};
//! use midgard::{Context, HandlerError, Midgard, Project, Projection, View, Views};
//! use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.placed")]
//! # struct OrderPlaced { customer: String, city: String, cents: u64 }
//!
//! #[derive(Serialize, Deserialize, View)]
//! #[view(key = name, index(city), index(total, ordered))]
//! struct Customer { name: String, city: String, total: u64 }
//!
//! #[derive(Projection)]
//! #[projection(name = "customers", events(OrderPlaced), views(Customer))]
//! struct Customers;
//!
//! impl Project<OrderPlaced> for Customers {
//!     async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> Result<(), HandlerError> {
//!         let OrderPlaced { customer, city, cents } = event;
//!         let new = || Customer { name: customer.clone(), city, total: 0 };
//!         context.upsert(&customer, new, |row: &mut Customer| row.total += cents)?;
//!         Ok(())
//!     }
//! }
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let order = |customer: &str, city: &str, cents| NewEvent::encode(&OrderPlaced {
//! #     customer: customer.to_owned(), city: city.to_owned(), cents });
//! # let orders = [order("ann", "Oslo", 500)?, order("bob", "Bergen", 900)?, order("ann", "Oslo", 700)?];
//! # store.append(Append::to(StreamName::new("orders")?, ExpectedVersion::NoStream, orders)).await?;
//! let views = Views::new(store.clone()); // or a store of their own
//! Midgard::new(store).project(Customers, views.clone()).catch_up().await?;
//!
//! let in_oslo = views.select(Customer::by_city("Oslo"))?;
//! assert_eq!(in_oslo[0].total, 1_200);
//! let best = views.page(Customer::ordered_by_total().reverse().limit(10))?;
//! assert_eq!(best.rows[0].name, "ann");
//! assert_eq!(views.count(Customer::by_total_range(1_000..))?, 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! `covers(OrderEvent)` refuses a projection that neither handles nor `ignore(..)`s an event of the set. Types of
//! your own become keys with `#[derive(ViewKey)]`; [`StartingWith`](view::StartingWith) selects by the beginning
//! of a text or a tuple.
//!
//! A [snapshot](Views::snapshot) shows several views as they were at one moment, and tells
//! [up to where](ViewSnapshot::position_of) the log shows in them. [`Select`] has filters, limits,
//! and pages that go on from a [`Cursor`]. Within a handler, [`Context`] reads and changes rows, tells the
//! event's stream and metadata, and does things [after the commit](Context::after_commit).
//!
//! When the definition of a view changes, or `version` in `#[projection(..)]`, the views are built anew from
//! the first event on, beside the old ones, and readers switch when the new ones have come as far. What the
//! old ones had done after their commits is not done again. A program of the old release, in another process,
//! keeps the old ones up to date until then, and fails with the reason after that.
//! [`MidgardHandle::rebuild`] asks for the same.
//!
//! [`Live`] folds a projection on demand, in memory, for views that must never lag behind. [`ViewStore`] is the
//! small trait behind it all: implement it to keep views in SQL, in your own transactions.
//!
//! # Running them
//!
//! [`Midgard::run`] is a future: spawn it, or block on it in a thread. Its [handle](MidgardHandle) says how each
//! consumer is doing, waits, and stops:
//!
//! ```
//! # use midgard::{Append, Event, ExpectedVersion, MemoryStore, Midgard, NewEvent, Store, StreamName, Subscription};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "order.placed")]
//! # struct OrderPlaced {}
//! use std::time::Duration;
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let orders = Subscription::<OrderPlaced>::events("mailer");
//! # let midgard = Midgard::new(store.clone()).subscribe(orders, |_| async { Ok(()) });
//! let handle = midgard.handle();
//! let running = std::thread::spawn(|| midgard::block_on(midgard.run()));
//!
//! # let order = NewEvent::encode(&OrderPlaced {})?;
//! # let append = Append::to(StreamName::new("order-1")?, ExpectedVersion::NoStream, [order]);
//! let appended = store.append(append).await?;
//! // Read your own writes: after this, the order is handled, wherever the consumer runs.
//! handle.wait_for("mailer", appended.position, Duration::from_secs(5)).await?;
//! println!("{}", handle.status_of("mailer")?); // subscription mailer: live, at 1 of 1
//!
//! handle.stop(); // or `drain`, which handles first what the log has now
//! running.join().unwrap()?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! [`MidgardHandle::ready`] and [`ended`](MidgardHandle::ended) wait for the beginning and the end of all of it. When `run` fails
//! at once, is dropped or aborted, each [status](ConsumerState) says so, and who waits for a consumer is told.
//!
//! One future runs all consumers, by turns: a handler that blocks its thread holds up the others.
//! [`Midgard::spawner`] makes a task of each, on the runtime of the program, as in
//! `midgard.spawner(|consumer| drop(tokio::spawn(consumer)))`; [`Midgard::thread_per_consumer`] gives each a thread.
//!
//! # When handlers fail
//!
//! A [`FailurePolicy`] retries with growing waits. Then it [stops](FailurePolicy::then_stop) before the event,
//! which is the default, [skips](FailurePolicy::then_skip) it, or [parks](FailurePolicy::then_park) it: the event
//! becomes a [`DeadLetter`], and so do the later events of its sequence (its stream, if you do not say otherwise),
//! so that they stay in order; other sequences go on. A projection is given its policy, and one for each event,
//! in [`ConsumerOptions`], with [`Midgard::project_with`]. A consumer that has stopped goes on after
//! [`restart`](MidgardHandle::restart).
//!
//! [`MidgardHandle::dead_letters`] lists what is parked, all of it or
//! [in pages](MidgardHandle::dead_letters_page),
//! [`retry`](MidgardHandle::retry) and [`retry_all`](MidgardHandle::retry_all) hand them over again, in their newest versions, and
//! [`evict`](MidgardHandle::evict) gives one up. A panic of a handler is a failure like any other, and so is one that takes
//! longer than the [limit](ConsumerOptions::handler_timeout) that it is given. Without a limit, [`Status::handling`] says at what
//! it is, and since when; what is not done [in time](Midgard::stop_within) when a program is stopped, is dropped.
//! [`Status`] and `tracing` tell of all of it.
//!
//! # Between services
//!
//! Services that share nothing tell each other what happened, and ask each other for things, with messages over a
//! [bus]: `midgard-bus-nats`, `midgard-bus-rabbitmq`, or [`InProcessBus`](bus::InProcessBus) in one process and in tests.
//! They share names and shapes, and no code. Nothing is lost, and every message has its effect once: what is to
//! leave is in the log, and what has come is noted in the same commit as its effect.
//!
//! - An [`Outbox`] says which events leave. It sends the commands and the answers of its program, too; so a program that
//!   handles commands or sends them has one, even one that publishes no event, or says that another program on its store
//!   [has it](Midgard::outbox_elsewhere).
//! - An [`Inbox`] has one [`Subscribe`] for each event of others, and one [`Handle`] for each [`RemoteCommand`]. A command is
//!   answered, or [refused](Refused).
//! - A [`ProcessManager`] has one [`React`] for each event of its own service, one [`Resolve`] for each command that it sends,
//!   and one [`Expire`] for each deadline that it sets. A forgotten one does not compile.
//! - A [`CommandClient`] asks from any other program, and waits for the answer.
//!
//! Shipping has a parcel picked in the warehouse, and waits a minute at most:
//!
//! ```standalone_crate
//! use midgard::bus::InProcessBus;
//! use midgard::{
//!     CommandClient, Event, Expire, Handle, HandlerError, Inbox, MemoryStore, MessageContext, Midgard, Outbox,
//!     ProcessManager, Processes, React, Reactions, RecordedEventRef, Refused, RemoteCommand, Resolve, Subscribe,
//! };
//! # use futures_util::future::{Either, select};
//! # use midgard::{Append, ExpectedVersion, NewEvent, Store, StreamName};
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "parcel.registered")]
//! #[publish(key = parcel)] // it may leave the service; the messages of one parcel stay in order
//! struct ParcelRegistered { parcel: u64, items: u32 }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
//! #[remote_command(name = "stock.pick", service = "warehouse", key = parcel, reply = Picked)]
//! struct Pick { parcel: u64, items: u32 }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "stock.picked")]
//! struct Picked { shelf: String }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "parcel.pick_overdue")]
//! struct PickOverdue {}
//!
//! // In the service "shipping":
//!
//! #[derive(Debug, Default, ProcessManager)]
//! #[process_manager(name = "picking", id = u64, events(ParcelRegistered), commands(Pick), deadlines(PickOverdue))]
//! struct Picking { is_late: bool }
//!
//! impl React<ParcelRegistered> for Picking {
//!     fn process(event: &ParcelRegistered, _: &RecordedEventRef<'_>) -> Option<u64> { Some(event.parcel) }
//!
//!     fn react(&mut self, event: ParcelRegistered, reactions: &mut Reactions<Self>) {
//!         reactions.send(&Pick { parcel: event.parcel, items: event.items });
//!         reactions.remind(Duration::from_secs(60), &PickOverdue {});
//!     }
//! }
//!
//! impl Resolve<Pick> for Picking {
//!     fn replied(&mut self, _: Pick, _: Picked, reactions: &mut Reactions<Self>) {
//!         reactions.complete(); // or `execute` a command on an aggregate of this service, in the same commit
//!     }
//!
//!     fn refused(&mut self, _: Pick, _reason: &str, reactions: &mut Reactions<Self>) { reactions.complete(); }
//! }
//!
//! impl Expire<PickOverdue> for Picking {
//!     fn expired(&mut self, _: PickOverdue, _: &mut Reactions<Self>) { self.is_late = true; }
//! }
//!
//! // In the service "warehouse":
//!
//! #[derive(Inbox)]
//! #[inbox(name = "warehouse", events(ParcelRegistered), commands(Pick))]
//! struct Warehouse;
//!
//! impl Subscribe<ParcelRegistered> for Warehouse {
//!     async fn receive(&self, _: ParcelRegistered, _: &mut MessageContext<'_>) -> Result<(), HandlerError> { Ok(()) }
//! }
//!
//! impl Handle<Pick> for Warehouse {
//!     async fn handle(&self, command: Pick, _context: &mut MessageContext<'_>) -> Result<Picked, HandlerError> {
//!         if command.items > 10 {
//!             return Err(Refused::new("no parcel holds as much").into()); // an answer; other errors are tried again
//!         }
//!         Ok(Picked { shelf: "A3".to_owned() }) // after `_context.execute(..)` on an aggregate, say
//!     }
//! }
//!
//! # midgard::block_on(async {
//! # let (shipping_store, warehouse_store) = (MemoryStore::new(), MemoryStore::new());
//! # let event = NewEvent::encode(&ParcelRegistered { parcel: 7, items: 3 })?;
//! # shipping_store.append(Append::to(StreamName::new("parcel-7")?, ExpectedVersion::NoStream, [event])).await?;
//! let bus = InProcessBus::new(); // or `NatsBus::connect("nats://..").await?`
//! let shipping = Midgard::new(shipping_store)
//!     .process_manager(Processes::<Picking>::new().replies_from(bus.clone()))
//!     .outbox(Outbox::new("shipping").publish::<ParcelRegistered>(), bus.clone());
//! let warehouse = Midgard::new(warehouse_store)
//!     .inbox(Warehouse, bus.clone())
//!     .outbox(Outbox::new("warehouse"), bus.clone()); // for the answers
//! shipping.declare().await?; // so that none publishes what another has no queue for yet
//! warehouse.declare().await?;
//! let (of_shipping, of_warehouse) = (shipping.handle(), warehouse.handle());
//! // .. each is run by its own program: `shipping.run().await`
//! # let running = Box::pin(futures_util::future::join(shipping.run(), warehouse.run()));
//! # let watching = Box::pin(async {
//!
//! let console = CommandClient::new("console", bus);
//! let picked = console.ask(&Pick { parcel: 8, items: 1 }, Duration::from_secs(5)).await?;
//! assert_eq!(picked.shelf, "A3");
//!
//! # of_shipping.wait_for("picking", Some(midgard::Position::FIRST), Duration::from_secs(5)).await?;
//! for process in of_shipping.stuck_processes("picking", Duration::from_secs(3600)).await? {
//!     println!("{process}"); // 7: since .., last .., waits for stock.pick
//! }
//! for parked in of_warehouse.parked_messages("warehouse").await? {
//!     of_warehouse.retry_message("warehouse", &parked.number).await?;
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # });
//! # let Either::Right((watched, _)) = select(running, watching).await else { panic!("it ended") };
//! # watched
//! # }).unwrap();
//! ```
//!
//! The name of an outbox, of an inbox and of a process manager belongs to one service: no other on the bus has it. While the
//! bus is down, or nobody has a queue for what is published, the outbox waits, and its [`Status`] says so.
//! A message whose handler fails is tried again, and then parked with the later ones of its key.
//! [`testing::given_process`] tests a process manager without a store or a bus.
//!
//! # More of a repository
//!
//! [`Repository::load_at`] and [`Repository::load_as_of`] load an aggregate as it was.
//! [`Repository::save`] appends events under an explicit expected version, and [`Repository::commit`]
//! what was [decided](Loaded::decide) on a loaded aggregate; neither is tried again.
//! [`Repository::execute_with`] records [`Metadata`] with the events: what led to them, and headers.
//!
//! A store that lost its connection in the middle of an append says
//! [`OutcomeUnknown`](StoreError::OutcomeUnknown). Load the aggregate again to see whether it is there; its
//! version tells.
//!
//! # Tests
//!
//! [`testing::given`] tests an aggregate without a store, [`testing::given_process`] a process manager. The derive of an aggregate adds one test to your
//! crate: that no two event types of the program claim one name.
//!
//! # Async, of no runtime
//!
//! Futures here need no runtime: [`block_on`] runs them, and so does any executor.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// Lets this crate's own tests and docs use the derives, whose output names `::midgard`.
#[allow(unused_extern_crates)]
extern crate self as midgard;

mod aggregate;
pub mod bus;
mod cause;
mod codec;
mod command;
mod consumer;
mod covers;
mod dispatch;
mod error;
mod event;
mod fields;
mod fnv;
pub mod inbox;
pub mod limits;
mod metadata;
pub mod outbox;
mod packed;
mod place;
pub mod process;
pub mod projection;
mod query;
mod record;
mod registry;
mod repository;
mod runner;
pub mod store;
mod stream_name;
mod subscription;
mod tags;
pub mod testing;
mod time;
mod unit_of_work;
mod uuid_v7;
pub mod view;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

pub use aggregate::{Aggregate, Applies, Apply, Command, Events};
pub use codec::{Codec, DecodeError, DecodeReason, EncodeError, EncodeReason, JsonError};
pub use command::{AskError, CommandClient, Done, Refused, RemoteCommand, SendError};
pub use consumer::{
    ConsumerKind, ConsumerOptions, ConsumerState, DeadLetter, FailurePolicy, Handling,
    HandlingStage, LastError, Rebuild, Status,
};
pub use error::{AppendError, ExecuteError, Full, IdDifference, LoadError, StoreError};
pub use event::{AnyEvent, Event, EventDescriptor, EventPayload, EventSet};
pub use inbox::{
    Handle, Inbox, InboxOptions, MessageContext, ParkedCause, ParkedMessage, Subscribe,
};
pub use limits::{LimitError, Limited};
pub use metadata::{EventId, Headers, HeadersRef, Metadata};
pub use outbox::{Outbox, Publish, Unheard};
pub use packed::PackedIter;
pub use place::{LogId, Position, Version};
pub use process::{Expire, Process, ProcessManager, Processes, React, Reactions, Resolve};
pub use projection::{Context, HandlerError, Live, LiveError, Project, Projection, ViewStore};
pub use query::{AppendCondition, Query, QueryItem};
pub use record::{NewEvent, RecordedEvent, RecordedEventRef};
pub use registry::{Registry, RegistryError};
pub use repository::{Execution, Loaded, Repository};
pub use runner::{HandleError, Midgard, MidgardHandle, RunError};
pub use store::{
    Append, AppendPart, Appended, Direction, DynStore, EventStream, ExpectedVersion, MemoryStore,
    ReadLog, ReadStream, Store, StreamState,
};
pub use stream_name::{AggregateIdError, StreamName};
pub use subscription::{Delivery, StartFrom, Subscription};
pub use tags::{Tags, TagsRef};
pub use time::Timestamp;
pub use view::{Cursor, Page, Select, View, ViewError, ViewKey, ViewSnapshot, Views};

pub use midgard_macros::{
    Aggregate, Event, EventSet, Inbox, ProcessManager, Projection, RemoteCommand, View, ViewKey,
};
pub use pollster::block_on;
