//! Event sourcing: annotate plain structs, and the compiler refuses a program that forgets an event.
//!
//! ```standalone_crate
//! use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository, events};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "account.credited")] // what is stored
//! struct Credited { cents: u64 }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "account.debited")]
//! struct Debited { cents: u64 }
//!
//! #[derive(Debug, Default, Aggregate)]
//! #[aggregate(name = "account", id = String, events(Credited, Debited))]
//! struct Account { balance: u64 }
//!
//! impl Apply<Credited> for Account {
//!     fn apply(&mut self, event: Credited) { self.balance += event.cents; }
//! }
//!
//! impl Apply<Debited> for Account { // without it, this does not compile
//!     fn apply(&mut self, event: Debited) { self.balance -= event.cents; }
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("that is more than there is")]
//! struct Overdrawn;
//!
//! struct Withdraw(u64);
//!
//! impl Command<Account> for Withdraw {
//!     type Error = Overdrawn;
//!
//!     fn decide(&self, account: &Account) -> Result<Events<Account>, Overdrawn> {
//!         if self.0 > account.balance {
//!             return Err(Overdrawn);
//!         }
//!         Ok(events![Debited { cents: self.0 }])
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let accounts = Repository::<Account, _>::new(MemoryStore::new()); // or `LmdbStore::open("data")?`
//! accounts.save("ann", midgard::store::ExpectedVersion::NoStream, events![Credited { cents: 500 }]).await?;
//! let account = accounts.execute("ann", &Withdraw(120)).await?;
//! assert_eq!(account.state().balance, 380);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap_or_else(|error| panic!("{error}"));
//! ```
//!
//! | to | use | and read |
//! |---|---|---|
//! | record what happened | [`Event`](macro@Event) | [a first program](guide::first_program) |
//! | decide what may happen | [`Aggregate`](macro@Aggregate), [`Command`], [`Repository`] | [a first program](guide::first_program), [more of a repository](guide::repositories) |
//! | decide on what several streams say | [`DecisionModel`](macro@DecisionModel), [`repository::Repositories`] | [decision models](guide::decision_models), [uniqueness](guide::uniqueness) |
//! | store events | [`MemoryStore`], or `LmdbStore` of `midgard-store-lmdb` | [stores](guide::stores) |
//! | list and search | [`View`](macro@View), [`Projection`](macro@Projection), [`Views`] | [views](guide::views) |
//! | act on each event | [`Subscription`] | [subscriptions](guide::subscriptions) |
//! | run all of it | [`Midgard`], [`MidgardHandle`] | [running](guide::running), [failures](guide::failures) |
//! | talk to other services | [`Outbox`], [`Inbox`](macro@Inbox), [`CommandClient`], a [bus] | [between services](guide::services) |
//! | coordinate a business process | [`ProcessManager`](macro@ProcessManager) | [between services](guide::services) |
//! | serve requests | [`Running`], [`Repository`], [`Views`] | [a web service](guide::web_service), [threads](guide::threads), [unknown outcomes](guide::outcomes) |
//! | keep a value unique, forget a person | [`repository::Repositories`], [`Repository::tombstone`] | [uniqueness](guide::uniqueness), [erasing](guide::erasing) |
//! | test | [`testing`] | [testing](guide::tests) |
//!
//! The names that every program uses are here at the root. Everything else is in the module of its subject:
//!
//! | module | contents |
//! |---|---|
//! | [`mod@event`] | recorded events, tags, headers, codecs, the registry |
//! | [`mod@aggregate`], [`repository`] | ids of aggregates; the results of loading and executing, and their errors |
//! | [`decision_model`] | aggregates as parts of decision models |
//! | [`store`] | appends, reads, queries, conditions, entries; the traits that a store implements |
//! | [`consumer`] | the options, failure policies, status and dead letters of all consumers |
//! | [`mod@projection`], [`mod@view`] | projections; rows, keys, selections, snapshots |
//! | [`command`], [`mod@inbox`], [`outbox`], [`process`] | commands to other services, and their replies |
//! | [`bus`] | messages, and the traits that a bus implements |
//! | [`notes`] | the storage of checkpoints and leases |
//! | [`error`] | what an error means to a client, for one match in a service |
//! | [`limits`] | limits on lengths and sizes |
//! | [`testing`] | given-when-then tests |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

// Lets this crate's own tests and docs use the derives, whose output names `::midgard`.
#[allow(unused_extern_crates)]
extern crate self as midgard;

pub mod aggregate;
pub mod bus;
mod cause;
pub mod clock;
pub mod command;
pub mod consumer;
pub mod decision_model;
pub mod error;
pub mod event;
mod fnv;
mod give_way;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod inbox;
pub mod limits;
pub mod notes;
#[cfg(test)]
mod order;
pub mod outbox;
mod place;
pub mod process;
mod process_mark;
pub mod projection;
#[cfg(test)]
mod public_paths;
pub mod repository;
mod runner;
mod serde_as_text;
pub mod store;
mod stream_name;
mod subscription;
pub mod telemetry;
pub mod testing;
mod time;
mod unit_of_work;
mod uuid_v7;
pub mod varint;
pub mod view;

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;

pub use aggregate::definition::{Aggregate, AggregateId, Command};
pub use aggregate::fold::{Apply, Events};
pub use command::client::CommandClient;
pub use command::definition::{Done, Refused, RemoteCommand};
pub use consumer::handler_error::{HandlerError, HandlerResult};
pub use consumer::start::StartFrom;
pub use decision_model::definition::DecisionModel;
pub use event::definition::{Event, EventSet};
pub use event::metadata::{EventId, Metadata};
pub use inbox::context::MessageContext;
pub use inbox::definition::{Handle, Inbox, Subscribe};
pub use outbox::definition::Outbox;
pub use place::{LogId, Place, Position, Version};
pub use process::definition::{Expire, ProcessManager, React, Resolve};
pub use process::options::Processes;
pub use process::reactions::Reactions;
pub use projection::context::Context;
pub use projection::definition::{Project, Projection};
pub use repository::definition::Repository;
pub use runner::{Midgard, MidgardHandle, Running};
pub use store::definition::Store;
pub use store::erased::DynStore;
pub use store::memory::MemoryStore;
pub use stream_name::StreamName;
pub use subscription::{Delivery, Subscription};
pub use time::Timestamp;
pub use view::definition::View;
pub use view::key::ViewKey;
pub use view::views::Views;

pub use midgard_macros::{
    Aggregate, AggregateId, DecisionModel, Event, EventSet, Inbox, ProcessManager, Projection,
    RemoteCommand, View, ViewKey, aggregate, event, inbox, process_manager, projection,
    remote_command, view,
};
pub use pollster::block_on;
