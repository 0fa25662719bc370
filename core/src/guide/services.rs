//! Between services: messages, outboxes, inboxes, process managers.
//!
//! Services that share nothing tell each other what happened, and ask each other for things, with messages over a
//! [bus](crate::bus): `midgard-bus-nats`, `midgard-bus-rabbitmq`, or [`InProcessBus`](crate::bus::InProcessBus) in one process and in tests.
//! They share names and shapes, but no code. Nothing is lost, and every message takes effect once: outgoing messages are in the
//! log, and incoming ones are noted in the same commit as their effect.
//!
//! - An [`Outbox`] defines which events leave. It also sends the commands and the answers of its program. So a program that
//!   sends or handles commands needs one, even if it publishes no event, unless it declares that another program on its store
//!   [has it](crate::Midgard::outbox_elsewhere).
//! - An [`Inbox`] has a handler for each event of other services, and for each [`RemoteCommand`]. A command is answered, or
//!   [refused](crate::Refused).
//! - A [`ProcessManager`] has a handler for each event of its own service, for the reply and the refusal of each command that it
//!   sends, and for each deadline that it sets. A forgotten one does not compile.
//! - A [`CommandClient`] sends commands from any other program, and waits for the answers.
//!
//! Here the shipping service has a parcel picked in the warehouse, and waits a minute at most:
//!
//! ```standalone_crate
//! use midgard::bus::InProcessBus;
//! use midgard::{CommandClient, HandlerResult, MemoryStore, MessageContext, Midgard, Outbox, Processes, Reactions, Refused, StartFrom};
//! # use futures_util::future::{Either, select};
//! # use midgard::store::{Append, ExpectedVersion};
//! # use midgard::event::NewEvent;
//! # use midgard::{Store, StreamName};
//! use std::time::Duration;
//!
//! #[midgard::event(name = "parcel.registered")]
//! #[publish(key = parcel)] // it may leave the service; the messages of one parcel stay in order
//! struct ParcelRegistered { parcel: u64, items: u32 }
//!
//! #[midgard::remote_command(name = "stock.pick", service = "warehouse", key = parcel, reply = Picked)]
//! struct Pick { parcel: u64, items: u32 }
//!
//! #[midgard::event(name = "stock.picked")]
//! struct Picked { shelf: String }
//!
//! #[midgard::event(name = "parcel.pick_overdue")]
//! struct PickOverdue {}
//!
//! // In the service "shipping":
//!
//! #[derive(Debug, Default)]
//! struct Picking { is_late: bool }
//!
//! #[midgard::process_manager(name = "picking", id = u64, events(ParcelRegistered), commands(Pick), deadlines(PickOverdue))]
//! impl Picking {
//!     // The process that the event belongs to, if any.
//!     fn of_registered(event: &ParcelRegistered) -> Option<u64> { Some(event.parcel) }
//!
//!     fn registered(&mut self, event: ParcelRegistered, reactions: &mut Reactions<Self>) {
//!         reactions.send(&Pick { parcel: event.parcel, items: event.items });
//!         reactions.remind(Duration::from_secs(60), &PickOverdue {});
//!     }
//!
//!     fn picked(&mut self, _: Pick, _: Picked, reactions: &mut Reactions<Self>) {
//!         reactions.complete(); // or `execute` a command on an aggregate of this service, in the same commit
//!     }
//!
//!     fn not_picked(&mut self, _: Pick, _reason: &str, reactions: &mut Reactions<Self>) { reactions.complete(); }
//!
//!     fn overdue(&mut self, _: PickOverdue, _: &mut Reactions<Self>) { self.is_late = true; }
//! }
//!
//! // In the service "warehouse":
//!
//! struct Warehouse;
//!
//! #[midgard::inbox(name = "warehouse", events(ParcelRegistered), commands(Pick))]
//! impl Warehouse {
//!     async fn registered(&self, _: ParcelRegistered, _: &mut MessageContext<'_>) -> HandlerResult { Ok(()) }
//!
//!     async fn pick(&self, command: Pick, _context: &mut MessageContext<'_>) -> HandlerResult<Picked> {
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
//!     .process_manager(Processes::<Picking>::new(StartFrom::Start).replies_from(bus.clone()))
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
//! # of_shipping.wait_for("picking", midgard::Place::main(midgard::Position::FIRST), Duration::from_secs(5)).await?;
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
//! A method handles the type of its first argument; its name is free. The reply to a command is the second argument, and a
//! refusal is a `&str` there. A type that is listed and has no method does not compile, nor does a method of a type that is
//! not listed; methods with other arguments are yours. Each method becomes an impl of a trait ([`Subscribe`], [`Handle`],
//! [`React`], [`Resolve`], [`Expire`]), which you may also write yourself, with `#[midgard::inbox(..)]` or
//! `#[midgard::process_manager(..)]`, or the derives, above the type.
//!
//! The name of an outbox, of an inbox or of a process manager belongs to one service: no other service on the bus may use it.
//! Within a program, no two consumers have one name, projections and subscriptions included; only the outbox may be named like
//! its service's inbox.
//! While the bus is down, or no queue wants an event, the outbox waits, and its [`Status`] shows it. A message whose handler
//! fails is retried, and then parked with the later ones of its key.
//!
//! # What a reaction knows
//!
//! [`Reactions`] tells a reaction the [id](crate::Reactions::id) of its process, [when](crate::Reactions::time) and
//! [where](crate::Reactions::event) the event was recorded, its [metadata](crate::Reactions::metadata), and the
//! [configuration](crate::Reactions::config) that the program gave the process manager with [`Processes::with_config`]. All but the
//! configuration is recorded with the reaction, so that a process is rebuilt to the same state.
//!
//! [`remind`](crate::Reactions::remind) counts from when the event was recorded: after an outage of an hour, a deadline
//! of a minute has passed. [`remind_from_now`](crate::Reactions::remind_from_now) counts from the handling, and
//! [`remind_at`](crate::Reactions::remind_at) takes a time.
//!
//! # Commands in a handler
//!
//! A handler of an inbox executes commands on aggregates of its service through the [`MessageContext`]. It gets the state that
//! the command has made, and can reply with it; a command that is rejected becomes a refusal by `?`:
//!
//! ```ignore
//!     async fn pick(&self, command: Pick, context: &mut MessageContext<'_>) -> HandlerResult<Picked> {
//!         let take = Take { items: command.items };
//!         let shelf: &Shelf = context.execute::<Shelf, _>("A3", &take).await?;
//!         Ok(Picked { left: shelf.items })
//!     }
//! ```
//!
//! # Commands in a reaction
//!
//! A command to another service is sent by reference, `reactions.send(&Pick { .. })`. A command on an aggregate of this service,
//! `reactions.execute::<Parcel, _>(id, Deliver { .. })`, is passed by value, with the aggregate's id: it is decided when the
//! reaction is committed, in the same append. The command must implement `Debug`, and its error `Display`, because a failure
//! shows both. A command that is rejected fails the reaction, unless [`or_execute`](crate::process::LocalStep::or_execute) adds
//! an alternative.
//!
//! [`testing::given_process`] tests a process manager without a store or a bus.
//!
//! [`CommandClient`]: crate::CommandClient
//! [`Expire`]: crate::Expire
//! [`Handle`]: crate::Handle
//! [`Inbox`]: crate::Inbox
//! [`MessageContext`]: crate::MessageContext
//! [`Outbox`]: crate::Outbox
//! [`ProcessManager`]: crate::ProcessManager
//! [`Processes::with_config`]: crate::Processes::with_config
//! [`React`]: crate::React
//! [`Reactions`]: crate::Reactions
//! [`RemoteCommand`]: crate::RemoteCommand
//! [`Resolve`]: crate::Resolve
//! [`Status`]: crate::consumer::Status
//! [`Subscribe`]: crate::Subscribe
//! [`testing::given_process`]: crate::testing::given_process
