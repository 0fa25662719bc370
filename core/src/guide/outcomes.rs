//! Unknown outcomes: how a command is repeated safely.
//!
//! A command that returned has had its effect, and one that was rejected, or whose append failed, has had none. There are
//! moments in which nobody can say:
//!
//! - the disk or the connection failed in the middle of the commit:
//!   [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown), the only error after which events may be there;
//! - the process was killed, or the future was dropped while it waited for the commit: what was appended is there as a whole or
//!   not at all;
//! - the answer was lost on its way to the client, which sends its request again.
//!
//! Deciding again is no way to find out. The same withdrawal on the new balance is a second withdrawal.
//!
//! | what is repeated | how |
//! |---|---|
//! | a request | [`Repository::execute_once`] with a key that the client repeats |
//! | a request on several aggregates | [`Repositories::execute_together_once`](crate::repository::Repositories::execute_together_once) |
//! | a command that changes nothing the second time | [`Repository::execute`], whose `decide` returns [`Events::none()`](crate::Events::none) then |
//! | an append of your own | the same [`Append`](crate::store::Append), with the same event ids |
//! | a message | nothing to do: an [`Inbox`](macro@crate::Inbox) remembers what it has handled |
//! | a command to another service | see [below](#commands-to-other-services) |
//!
//! # A key
//!
//! The key is written in the append of the events. So both are there or neither is, and the second request with the key gets the answer
//! of the first: from another process, after a restart, and when both come at the same time.
//!
//! ```standalone_crate
//! # use midgard::{Aggregate, Apply, Command, Event, Events, MemoryStore, Repository, events};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! # #[event(name = "account.debited")]
//! # struct Debited { cents: u64 }
//! # #[derive(Debug, Default, Aggregate)]
//! # #[aggregate(name = "account", id = String, events(Debited))]
//! # struct Account { spent: u64 }
//! # impl Apply<Debited> for Account {
//! #     fn apply(&mut self, event: Debited) { self.spent += event.cents; }
//! # }
//! # struct Withdraw(u64);
//! # impl Command<Account> for Withdraw {
//! #     type Error = std::convert::Infallible;
//! #     fn decide(&self, _: &Account) -> Result<Events<Account>, Self::Error> {
//! #         Ok(events![Debited { cents: self.0 }])
//! #     }
//! # }
//! use midgard::repository::ExecuteError;
//! use midgard::store::{AppendError, StoreError};
//!
//! /// Repeats a withdrawal until its outcome is known.
//! async fn withdraw(accounts: &Repository<Account, MemoryStore>, request: &str) -> Result<u64, Box<dyn std::error::Error>> {
//!     loop {
//!         match accounts.execute_once(request, "ann", &Withdraw(120)).await {
//!             Ok(account) => return Ok(account.state().spent),
//!             Err(ExecuteError::Append(AppendError::Store(StoreError::OutcomeUnknown { .. }))) => continue, // after a pause
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//! }
//!
//! # midgard::block_on(async {
//! let accounts = Repository::new(MemoryStore::new());
//! assert_eq!(withdraw(&accounts, "request-7f3a").await?, 120);
//! assert_eq!(withdraw(&accounts, "request-7f3a").await?, 120); // the answer was lost
//! assert_eq!(withdraw(&accounts, "request-90c1").await?, 240); // another request
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Let the client make the key, once for each thing that it wants, such as in an `Idempotency-Key` header; a key that the server
//! makes is another one at the second request. A rejected command leaves no key, and is decided again. Keys take some 100 bytes each,
//! until [`Repository::forget_keys`] removes those before a time: call it now and then, with a time that is longer ago than any
//! client tries again. Two requests of one key are taken for the same; what they ask for is not compared.
//!
//! # The same append
//!
//! Each [`NewEvent`](crate::event::NewEvent) gets an id when it is made. Appended again, with the same ids under the same
//! expected version, it is recognised, and answered as the first time:
//!
//! ```
//! # use midgard::{MemoryStore, Store, StreamName};
//! use midgard::event::NewEvent;
//! use midgard::store::{Append, ExpectedVersion};
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! let event = NewEvent::json("order.placed", 1, b"{}".to_vec());
//! let append = Append::to(StreamName::new("order-7")?, ExpectedVersion::NoStream, [event]);
//! let first = store.append(append.clone()).await?;
//! let again = store.append(append).await?;
//! assert_eq!(first, again);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! With [`ExpectedVersion::Any`](crate::store::ExpectedVersion) and `Exists`, that holds for the last
//! [`RECENT_EVENTS`](crate::store::rules::RECENT_EVENTS) events of the log. A repository makes new events whenever it is
//! called: [`save`](crate::Repository::save) and [`commit`](crate::Repository::commit) that are repeated with their expected version meet a
//! conflict with what they wrote themselves. Load the aggregate and look, or use a key.
//!
//! The LMDB store takes no more writes after `OutcomeUnknown` before it is opened again; so there it is the next program that
//! asks.
//!
//! # A command that does not show yet
//!
//! [`ExecuteAndWaitError::NotShown`](crate::consumer::ExecuteAndWaitError::NotShown) is no unknown outcome: the command was executed,
//! and only the projection has not come as far. Answer with what the command did, and do not repeat it.
//!
//! # Commands to other services
//!
//! A process manager needs nothing: a command that it sends has one id, however often it is sent, and the inbox of the other service
//! handles it once. A [`CommandClient`](crate::CommandClient) that got no answer in time does not know whether the command was
//! handled. Each call of [`ask`](crate::CommandClient::ask) is a command of its own; so let the command carry a key
//! of its own, that the handler compares with what the aggregate remembers, or let its second time change nothing.
//!
//! [`Repository::execute`]: crate::Repository::execute
//! [`Repository::execute_once`]: crate::Repository::execute_once
//! [`Repository::forget_keys`]: crate::Repository::forget_keys
