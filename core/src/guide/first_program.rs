//! A first program: events, an aggregate, commands.
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
//! `#[midgard::event(name = "account.credited")]` alone is the same as the derives and the attribute above.
//!
//! # New versions of an event
//!
//! A recorded event is never changed. When an event takes another form, keep its old struct, and give the new one the next
//! version and a conversion from the old one. Readers see only the new form:
//!
//! ```
//! # use midgard::Event;
//! # use serde::{Deserialize, Serialize};
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "account.opened")]
//! struct OpenedV1 { owner: String }
//!
//! #[derive(Debug, Clone, Serialize, Deserialize, Event)]
//! #[event(name = "account.opened", version = 2, upcast_from = OpenedV1)]
//! struct Opened { owner: String, currency: String }
//!
//! impl From<OpenedV1> for Opened {
//!     fn from(old: OpenedV1) -> Self { Opened { owner: old.owner, currency: "EUR".to_owned() } }
//! }
//! ```
//!
//! A gap between the versions does not compile. `upcast_with` names a function instead, which also sees the record's time,
//! stream and headers, and may return several events or none; [`Event`] shows it, and how to tag an event.
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
//! One function may take all of them instead. With `apply = enum` in the attribute, there is one `Apply` of the enum that
//! the derive generates, and its `match` does not compile if it lacks an event:
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
//! #[aggregate(name = "account", id = String, events(Credited, Debited), apply = enum)]
//! struct Account { balance: u64 }
//!
//! impl Apply<AccountEvent> for Account {
//!     fn apply(&mut self, event: AccountEvent) {
//!         match event {
//!             AccountEvent::Credited(event) => self.balance += event.cents,
//!             AccountEvent::Debited(event) => self.balance -= event.cents,
//!         }
//!     }
//! }
//! ```
//!
//! `#[midgard::aggregate(..)]` alone is the same as `#[derive(Debug, Default, Aggregate)]` and `#[aggregate(..)]`.
//!
//! The id is any type with `Display` and `FromStr`. If it is a `String`, a `&str` is enough to load an aggregate. A
//! newtype gets all that an id needs from one derive: `Display`, `FromStr`, serde's `Serialize` and `Deserialize`,
//! which you therefore do not derive yourself, and [`ViewKey`](crate::ViewKey):
//!
//! ```
//! use midgard::AggregateId;
//!
//! #[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
//! struct AccountId(u64);
//!
//! assert_eq!(AccountId(7).to_string(), "7");
//! assert_eq!("7".parse::<AccountId>()?, AccountId(7));
//! assert_eq!(serde_json::to_string(&AccountId(7))?, "7");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Commands, and a repository to run them
//!
//! A [`Command`] decides on the state: it is rejected, or returns the events that follow. A [`Repository`]
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
//! use midgard::{Command, Events, MemoryStore, Repository, events};
//! use midgard::repository::ExecuteError;
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
//! accounts.execute("ann", &Book::Deposit(500)).await.unwrap();
//! let account = accounts.execute("ann", &Book::Withdraw(120)).await.unwrap();
//! assert_eq!((account.state().balance, account.version().get()), (380, 2));
//!
//! let refused = accounts.execute("ann", &Book::Withdraw(1_000)).await;
//! assert!(matches!(refused, Err(ExecuteError::Rejected(Overdrawn))));
//! # });
//! ```
//!
//! [`Apply`]: crate::Apply
//! [`Command`]: crate::Command
//! [`Event`]: crate::Event
//! [`Repository`]: crate::Repository
