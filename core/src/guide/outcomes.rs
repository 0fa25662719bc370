//! Unknown outcomes: how to repeat a command safely.
//!
//! A command that returned has taken effect; one that was rejected, or whose append failed, has not. In three cases nobody can
//! tell:
//!
//! - the disk or the connection failed in the middle of the commit:
//!   [`StoreError::OutcomeUnknown`](crate::store::StoreError::OutcomeUnknown), the only error after which the events may be
//!   stored;
//! - the process was killed, or the future was dropped while it waited for the commit: its events are stored, all of them or
//!   none;
//! - the answer was lost on its way to the client, which sends its request again.
//!
//! Executing the command again is no way to find out: the same withdrawal on the new balance is a second withdrawal.
//!
//! | what is repeated | how |
//! |---|---|
//! | a request | [`Repository::execute_once`] with a key that the client repeats |
//! | a request on several aggregates or models at once | [`Repositories::execute_together_once`](crate::repository::Repositories::execute_together_once) |
//! | a request that a decision model decides | [`Repositories::execute_once`](crate::repository::Repositories::execute_once) |
//! | a command that changes nothing the second time | [`Repository::execute`], whose `decide` returns [`Events::none()`](crate::Events::none) then |
//! | an append of a repository, while the process goes on | nothing more to do with [`Repository::with_repeats_for`] |
//! | an append of your own | the same [`Append`](crate::store::Append), with the same event ids |
//! | a message | nothing to do: an [`Inbox`](macro@crate::Inbox) remembers what it has handled |
//! | a command to another service | see [below](#commands-to-other-services) |
//!
//! # A key
//!
//! The key is written in the same append as the events, so both are stored or neither is. A second request with the key gets
//! the answer of the first: in another process, after a restart, and even when both arrive at the same time.
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
//! Let the client choose the key, one for each thing that it wants done, and send it in an `Idempotency-Key` header,
//! for example. A key chosen by the server would differ in the second request. A rejected command leaves no key, and is
//! decided again. Keys take some 100 bytes each, until [`Repository::forget_keys`] removes those before a time: call it
//! now and then, with a time so long ago that no client still retries. Two requests with one key count as the same
//! request; their contents are not compared.
//!
//! # The same append
//!
//! Each [`NewEvent`](crate::event::NewEvent) gets an id when it is created. An append that is repeated, with the same ids and
//! the same expected version, is recognised, and gets the first answer:
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
//! [`RECENT_EVENTS`](crate::store::rules::RECENT_EVENTS) events of the log. A repository creates new events whenever it is
//! called: repeating a [`save`](crate::Repository::save) or a [`commit`](crate::Repository::commit) with the same expected
//! version conflicts with its own first attempt. So let the repository repeat its append itself:
//! [`with_repeats_for`](crate::Repository::with_repeats_for) does so while the outcome is unknown. After a failure of the whole
//! process, load the aggregate to see what happened, or use a key.
//!
//! After `OutcomeUnknown`, the LMDB store accepts no writes until it is reopened; repeat the append then.
//!
//! # A command that does not show yet
//!
//! [`ExecuteAndWaitError::NotShown`](crate::consumer::ExecuteAndWaitError::NotShown) is not an unknown outcome: the command was
//! executed, and only the projection has not caught up. Answer with what the command did, and do not repeat it.
//!
//! # Commands to other services
//!
//! A process manager needs nothing: a command that it sends has one id, however often it is sent, and the inbox of the other service
//! handles it once. A [`CommandClient`](crate::CommandClient) that got no answer in time does not know whether the command was
//! handled. Each call of [`ask`](crate::CommandClient::ask) sends a new command. So give the command a key that the handler
//! compares with those that the aggregate remembers, or let a second execution change nothing.
//!
//! [`Repository::execute`]: crate::Repository::execute
//! [`Repository::execute_once`]: crate::Repository::execute_once
//! [`Repository::with_repeats_for`]: crate::Repository::with_repeats_for
//! [`Repository::forget_keys`]: crate::Repository::forget_keys
