use midgard::repository::Repositories;
use midgard::{Aggregate, Apply, Command, DecisionModel, Event, Events, MemoryStore, Repository, events};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "account.deposited")]
struct Deposited {
    cents: u64,
}

#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "account", id = u64, events(Deposited))]
struct Account {
    cents: u64,
}

impl Apply<Deposited> for Account {
    fn apply(&mut self, event: Deposited) {
        self.cents += event.cents;
    }
}

struct Deposit(u64);

impl Command<Account> for Deposit {
    type Error = std::convert::Infallible;

    fn decide(&self, _: &Account) -> Result<Events<Account>, Self::Error> {
        Ok(events![Deposited { cents: self.0 }])
    }
}

async fn balance(accounts: Repository<Account, MemoryStore>) -> u64 {
    accounts.execute(&1, &Deposit(5)).state().cents
}

async fn version(accounts: Repository<Account, MemoryStore>) -> u64 {
    accounts.execute(&1, &Deposit(5)).version().get()
}

#[derive(Debug, DecisionModel)]
#[decision(all, events(Deposited))]
struct Deposits {
    cents: u64,
}

impl Apply<Deposited> for Deposits {
    fn apply(&mut self, event: Deposited) {
        self.cents += event.cents;
    }
}

impl Command<Deposits> for Deposit {
    type Error = std::convert::Infallible;

    fn decide(&self, _: &Deposits) -> Result<Events<Deposits>, Self::Error> {
        Ok(events![Deposited { cents: self.0 }])
    }
}

async fn deposits(all: Repositories<MemoryStore>) -> u64 {
    all.execute(Deposits::of(), &Deposit(5)).model().cents
}

fn main() {}
