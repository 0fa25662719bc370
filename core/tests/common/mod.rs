//! The aggregate of these tests. The name of an event stands for one type in a whole program, so every
//! test program takes its types from here.
#![allow(dead_code, missing_docs, unreachable_pub)] // No test program uses all of it.

pub mod stores;

use midgard::event::RecordedEvent;
use midgard::{
    Aggregate, Apply, Command, Event, Events, MemoryStore, Repository, Store, StreamName, events,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.opened")]
pub struct Opened {
    pub owner: String,
}

/// The first version of [`Deposited`]: in whole units.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.deposited")]
pub struct DepositedV1 {
    pub units: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.deposited", version = 2, upcast_from = DepositedV1)]
pub struct Deposited {
    pub cents: u64,
}

impl From<DepositedV1> for Deposited {
    fn from(old: DepositedV1) -> Self {
        Deposited {
            cents: old.units * 100,
        }
    }
}

/// An event of the program that is none of [`Account`].
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "bank.audited")]
pub struct Audited {}

#[derive(Debug, Default, PartialEq, Aggregate)]
#[aggregate(name = "account", id = String, events(Opened, Deposited))]
pub struct Account {
    pub owner: Option<String>,
    pub balance: u64,
}

impl Apply<Opened> for Account {
    fn apply(&mut self, event: Opened) {
        self.owner = Some(event.owner);
    }
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: Deposited) {
        self.balance += event.cents;
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the account belongs to {owner} already")]
    AlreadyOpen { owner: String },
    #[error("the account is not open")]
    NotOpen,
}

/// Opens an account, with a first deposit if it is not zero.
pub struct Open {
    pub owner: &'static str,
    pub cents: u64,
}

impl Command<Account> for Open {
    type Error = Refused;

    fn decide(&self, account: &Account) -> Result<Events<Account>, Refused> {
        if let Some(owner) = &account.owner {
            return Err(Refused::AlreadyOpen {
                owner: owner.clone(),
            });
        }
        let mut events = events![Opened {
            owner: self.owner.into()
        }];
        if self.cents > 0 {
            events.push(Deposited { cents: self.cents });
        }
        Ok(events)
    }
}

/// Deposits on an open account; zero is nothing to do.
pub struct Deposit(pub u64);

impl Command<Account> for Deposit {
    type Error = Refused;

    fn decide(&self, account: &Account) -> Result<Events<Account>, Refused> {
        match (&account.owner, self.0) {
            (None, _) => Err(Refused::NotOpen),
            (Some(_), 0) => Ok(Events::none()),
            (Some(_), cents) => Ok(events![Deposited { cents }]),
        }
    }
}

/// The accounts of an empty store in memory.
pub fn accounts() -> Repository<Account, MemoryStore> {
    Repository::new(MemoryStore::new())
}

/// Ann's account, `account-1`: opened with 5 cents in one command, then 10 and 20 more deposited.
/// Four events, 35 cents.
pub async fn anns_account() -> Repository<Account, MemoryStore> {
    let accounts = accounts();
    let open = Open {
        owner: "ann",
        cents: 5,
    };
    accounts.execute(&ann(), &open).await.unwrap();
    for cents in [10, 20] {
        accounts.execute(&ann(), &Deposit(cents)).await.unwrap();
    }
    accounts
}

pub fn ann() -> String {
    "1".to_owned()
}

pub fn anns_stream() -> StreamName {
    StreamName::of::<Account>(&ann()).unwrap()
}

/// Every event of a store, by position.
pub fn log(store: &impl Store) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    let read = midgard::store::ReadLog::forward();
    midgard::block_on(store.read_log(&read, &mut |event| {
        events.push(event.to_owned());
        std::ops::ControlFlow::Continue(())
    }))
    .unwrap();
    events
}
