//! The messages between the two services: names and shapes, and nothing else.

use midgard::{Event, RemoteCommand};
use midgard_examples::shop::customer::{CustomerId, Purchase};
use midgard_examples::shop::{Malformed, digits};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An order: its customer, and its number among the customer's orders. Written `00004.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderId {
    /// The customer.
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

/// Asks the customers service to reserve credit for an order. The commands of one customer stay in order, so that
/// credit goes to the earlier order.
#[derive(Debug, Clone, Serialize, Deserialize, RemoteCommand)]
#[remote_command(name = "credit.reserve", service = "customers", key = customer, reply = CreditReserved)]
pub struct ReserveCredit {
    /// The customer: the key.
    pub customer: CustomerId,
    /// The order.
    pub order: OrderId,
    /// The purchase.
    pub purchase: Purchase,
}

/// The reply of the customers service: the credit is reserved. Otherwise it refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "credit.reserve.done")]
pub struct CreditReserved {}

/// A public event of the orders service: an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(name = "order.cancelled")]
#[publish(key = customer)]
pub struct OrderCancelled {
    /// The customer: the same key as the command's, so that the event comes after the command.
    pub customer: CustomerId,
    /// The order.
    pub order: OrderId,
}
