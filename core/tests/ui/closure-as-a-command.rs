use midgard::{Aggregate, Apply, Event, MemoryStore, Repository, events};
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

struct Refused;

async fn deposit(accounts: Repository<Account, MemoryStore>) {
    let deposit = |_: &Account| Ok::<_, Refused>(events![Deposited { cents: 1 }]);
    let _ = accounts.execute(&1, &deposit).await;
}

fn main() {}
