use midgard::{Aggregate, Apply, Event, Command, Events};
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
        Ok(vec![Deposited { cents: self.0 }])
    }
}

struct Round;

impl Command<Account> for Round {
    type Error = std::convert::Infallible;

    fn decide(&self, account: &Account) -> Result<Vec<AccountEvent>, Self::Error> {
        let cents = account.cents % 100;
        Ok(vec![Deposited { cents }.into()])
    }
}

fn main() {}
