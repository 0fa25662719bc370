//! What the two services tell each other: names and shapes, and nothing else.

use midgard::{Event, RemoteCommand};
use midgard_examples::shop::customer::{CustomerId, Purchase};
use midgard_examples::shop::{Malformed, digits};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An order: whose, and the number among the orders of its customer. Written `00004.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderId {
    /// Who orders.
    pub customer: CustomerId,
    /// Its number among the orders of its customer, from 1.
    pub number: u64,
}

impl FromStr for OrderId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("the number of a customer, a dot, and a number", text);
        let (customer, number) = text.split_once('.').ok_or_else(malformed)?;
        Ok(OrderId {
            customer: customer.parse()?,
            number: digits(number).ok_or_else(malformed)?,
        })
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.customer, self.number)
    }
}

/// Asks the customers to reserve credit for an order. The commands of one customer stay in order, so that credit goes
/// to whoever ordered first.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers", key = customer, reply = CreditReserved)]
pub struct ReserveCredit {
    /// Whose credit: the key.
    pub customer: CustomerId,
    /// For which order.
    pub order: OrderId,
    /// For what.
    pub purchase: Purchase,
}

/// The answer of the customers: the credit is reserved. Where it is not, they refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "credit.reserve.done")]
pub struct CreditReserved {}

/// What the orders tell everyone: an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
#[publish(key = customer)]
pub struct OrderCancelled {
    /// Who had ordered: the key, as of the command, so that it comes after that.
    pub customer: CustomerId,
    /// Which order.
    pub order: OrderId,
}
