//! Accounts: events, the aggregate, its command, and the view that shows it.

use midgard::{Apply, Command, Context, Events, HandlerResult, Project, events};

/// Money came.
#[midgard::event(name = "account.credited")]
pub struct Credited {
    /// How much.
    pub cents: u64,
}

/// Money left.
#[midgard::event(name = "account.debited")]
pub struct Debited {
    /// How much.
    pub cents: u64,
}

/// An account.
#[midgard::aggregate(name = "account", id = String, events(Credited, Debited), apply = enum)]
pub struct Account {
    /// The balance, in cents.
    pub balance: u64,
}

impl Apply<AccountEvent> for Account {
    fn apply(&mut self, event: AccountEvent) {
        match event {
            AccountEvent::Credited(event) => self.balance += event.cents,
            AccountEvent::Debited(event) => self.balance -= event.cents,
        }
    }
}

/// What may be asked of an account.
#[derive(Debug)]
pub enum Book {
    /// Money comes.
    Deposit(u64),
    /// Money leaves.
    Withdraw(u64),
}

/// Why an account refuses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is less on it.
    #[error("only {0} cents are left")]
    Overdrawn(u64),
    /// No account holds as much.
    #[error("{0} cents are more than an account holds")]
    TooMuch(u64),
}

impl Command<Account> for Book {
    type Error = Refusal;

    fn decide(&self, account: &Account) -> Result<Events<Account>, Refusal> {
        match *self {
            Book::Deposit(cents) if account.balance.checked_add(cents).is_none() => {
                Err(Refusal::TooMuch(cents))
            }
            Book::Deposit(cents) => Ok(events![Credited { cents }]),
            Book::Withdraw(cents) if cents > account.balance => {
                Err(Refusal::Overdrawn(account.balance))
            }
            Book::Withdraw(cents) => Ok(events![Debited { cents }]),
        }
    }
}

/// The balance of an account, in a list.
#[midgard::view(key = account)]
pub struct Balance {
    /// Which account.
    pub account: String,
    /// The balance, in cents.
    pub cents: u64,
}

/// Keeps the balances.
#[midgard::projection(name = "balances", events(Credited, Debited), views(Balance))]
#[derive(Debug)]
pub struct Balances;

impl Project<Credited> for Balances {
    async fn project(&self, event: Credited, context: &mut Context<'_, Self>) -> HandlerResult {
        let account = context.recorded().aggregate_id::<Account>()?;
        let new = || Balance {
            account: account.clone(),
            cents: 0,
        };
        Ok(context.upsert(&account, new, |row: &mut Balance| row.cents += event.cents)?)
    }
}

impl Project<Debited> for Balances {
    async fn project(&self, event: Debited, context: &mut Context<'_, Self>) -> HandlerResult {
        let account = context.recorded().aggregate_id::<Account>()?;
        let new = || Balance {
            account: account.clone(),
            cents: 0,
        };
        Ok(context.upsert(&account, new, |row: &mut Balance| row.cents -= event.cents)?)
    }
}
