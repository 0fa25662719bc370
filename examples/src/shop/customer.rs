//! The aggregate: a customer who buys on credit.

use super::{Cents, Date, Malformed, Month, digits};
use midgard::{Aggregate, Apply, Command, Event, Events, ViewKey, events};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A customer: a number, printed with at least five digits, as in listings.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ViewKey,
)]
#[serde(transparent)]
pub struct CustomerId(pub u32);

impl FromStr for CustomerId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let number = digits(text).and_then(|number| u32::try_from(number).ok());
        number
            .map(CustomerId)
            .ok_or_else(|| Malformed::new("the number of a customer", text))
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:05}", self.0)
    }
}

/// A purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The day.
    pub date: Date,
    /// How many CDs.
    pub cds: u32,
    /// Their total.
    pub total: Cents,
}

/// An order was within the credit limit, and adds to the customer's debt.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.approved")]
pub struct OrderApproved {
    /// Its number among the orders of its customer, from 1.
    pub number: u64,
    /// The purchase.
    pub purchase: Purchase,
}

/// An order was over the credit limit; it adds nothing to the customer's debt.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "order.rejected")]
pub struct OrderRejected {
    /// Its number among the orders of its customer, from 1.
    pub number: u64,
    /// The purchase.
    pub purchase: Purchase,
}

/// A customer: every order so far, and the outstanding credit of each month.
///
/// Credit is kept for every month, so that it is right even if orders do not come in date order.
#[derive(Debug, Default, Aggregate)]
#[aggregate(name = "customer", id = CustomerId, events(OrderApproved, OrderRejected))]
pub struct Customer {
    orders: Vec<Purchase>,
    outstanding: BTreeMap<Month, Cents>,
}

impl Customer {
    /// Returns the number of decided orders, approved and rejected.
    #[must_use]
    pub const fn orders(&self) -> usize {
        self.orders.len()
    }

    /// Returns the debt for the orders of one month.
    #[must_use]
    pub fn outstanding(&self, month: Month) -> Cents {
        self.outstanding.get(&month).copied().unwrap_or_default()
    }
}

impl Apply<OrderApproved> for Customer {
    fn apply(&mut self, OrderApproved { purchase, .. }: OrderApproved) {
        let outstanding = self.outstanding.entry(purchase.date.month()).or_default();
        *outstanding = outstanding.saturating_add(purchase.total);
        self.orders.push(purchase);
    }
}

impl Apply<OrderRejected> for Customer {
    fn apply(&mut self, OrderRejected { purchase, .. }: OrderRejected) {
        self.orders.push(purchase);
    }
}

/// Places an order on credit.
///
/// Equal purchases are separate orders, distinguished by their number: placing one again, in a run that continues
/// where another was killed, is recognised and changes nothing.
#[derive(Debug, Clone)]
pub struct PlaceOrder {
    /// Its number among the orders of its customer, from 1.
    pub number: u64,
    /// The purchase.
    pub purchase: Purchase,
    /// The customer's limit for one calendar month.
    pub credit_limit: Cents,
}

/// The reason why an order cannot be placed at all. An order over the limit is not an error: it is an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misplaced {
    /// The order of this number is another one.
    #[error(
        "order {number} is known as {} CDs for {} on {}, not {} for {} on {}; the store was filled \
         from another listing",
        known.cds, known.total, known.date, given.cds, given.total, given.date
    )]
    Differs {
        /// The number of the order.
        number: u64,
        /// The purchase recorded under it.
        known: Purchase,
        /// The purchase now.
        given: Purchase,
    },
    /// Orders are placed one after the other.
    #[error("order {number} is out of turn: the next one is {next}")]
    OutOfTurn {
        /// The number of the order.
        number: u64,
        /// The number that comes next.
        next: u64,
    },
}

impl Command<Customer> for PlaceOrder {
    type Error = Misplaced;

    fn decide(&self, customer: &Customer) -> Result<Events<Customer>, Misplaced> {
        let PlaceOrder {
            number, purchase, ..
        } = *self;
        let next = customer.orders.len() as u64 + 1;
        if number != next {
            return customer.recognise(number, purchase, next);
        }
        let outstanding = customer.outstanding(purchase.date.month());
        let within_limit = outstanding
            .checked_add(purchase.total)
            .is_some_and(|sum| sum <= self.credit_limit);
        Ok(if within_limit {
            events![OrderApproved { number, purchase }]
        } else {
            events![OrderRejected { number, purchase }]
        })
    }
}

impl Customer {
    /// There is nothing to do for an order that was already decided.
    fn recognise(
        &self,
        number: u64,
        given: Purchase,
        next: u64,
    ) -> Result<Events<Self>, Misplaced> {
        let index = number
            .checked_sub(1)
            .and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| self.orders.get(index)) {
            Some(known) if *known == given => Ok(Events::none()),
            Some(&known) => Err(Misplaced::Differs {
                number,
                known,
                given,
            }),
            None => Err(Misplaced::OutOfTurn { number, next }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use midgard::testing::given;

    const LIMIT: Cents = Cents(10_000);

    fn purchase(date: &str, total: &str) -> Purchase {
        Purchase {
            date: date.parse().unwrap(),
            cds: 1,
            total: total.parse().unwrap(),
        }
    }

    fn place(number: u64, purchase: Purchase) -> PlaceOrder {
        PlaceOrder {
            number,
            purchase,
            credit_limit: LIMIT,
        }
    }

    fn approved(number: u64, purchase: Purchase) -> OrderApproved {
        OrderApproved { number, purchase }
    }

    fn rejected(number: u64, purchase: Purchase) -> OrderRejected {
        OrderRejected { number, purchase }
    }

    #[test]
    fn an_order_up_to_the_limit_is_approved_and_owed() {
        let order = purchase("19970101", "100.00");
        given(events![])
            .when(place(1, order))
            .then([approved(1, order)])
            .then_state(|customer| {
                assert_eq!(customer.outstanding(order.date.month()), LIMIT);
            });
    }

    #[test]
    fn an_order_a_cent_over_the_limit_is_rejected_and_not_owed() {
        let order = purchase("19970101", "100.01");
        given(events![])
            .when(place(1, order))
            .then([rejected(1, order)])
            .then_state(|customer| {
                assert_eq!(customer.outstanding(order.date.month()), Cents::ZERO);
                assert_eq!(customer.orders(), 1);
            });
    }

    #[test]
    fn approved_orders_of_the_month_count_and_rejected_ones_do_not() {
        let first = purchase("19970101", "60.00");
        let too_much = purchase("19970102", "40.01");
        let just_right = purchase("19970131", "40.00");
        given(events![approved(1, first)])
            .when(place(2, too_much))
            .then([rejected(2, too_much)]);
        given(events![approved(1, first), rejected(2, too_much)])
            .when(place(3, just_right))
            .then([approved(3, just_right)]);
    }

    #[test]
    fn every_month_begins_with_nothing_owed() {
        let full = approved(1, purchase("19970131", "100.00"));
        for next in ["19970201", "19980131"] {
            let order = purchase(next, "100.00");
            given([full.clone()])
                .when(place(2, order))
                .then([approved(2, order)]);
        }
    }

    #[test]
    fn a_month_that_comes_late_still_has_its_own_credit() {
        let late = purchase("19970115", "50.00");
        given([
            approved(1, purchase("19970101", "60.00")),
            approved(2, purchase("19970201", "10.00")),
        ])
        .when(place(3, late))
        .then([rejected(3, late)]);
    }

    #[test]
    fn a_sum_that_cannot_be_counted_is_over_the_limit() {
        let order = purchase("19970102", "0.01");
        let limit = PlaceOrder {
            credit_limit: Cents(u64::MAX),
            ..place(2, order)
        };
        let first = Purchase {
            total: Cents(u64::MAX),
            ..order
        };
        given([approved(1, first)])
            .when(limit)
            .then([rejected(2, order)]);
    }

    #[test]
    fn an_equal_purchase_is_another_order() {
        let order = purchase("19970101", "10.00");
        given([approved(1, order)])
            .when(place(2, order))
            .then([approved(2, order)]);
    }

    #[test]
    fn an_order_that_was_decided_before_changes_nothing() {
        let order = purchase("19970101", "10.00");
        let over = purchase("19970102", "200.00");
        let before = events![approved(1, order), rejected(2, over)];
        given(before.clone()).when(place(1, order)).then_nothing();
        given(before).when(place(2, over)).then_nothing();
    }

    #[test]
    fn another_order_under_a_known_number_is_refused() {
        let known = purchase("19970101", "10.00");
        let order = purchase("19970101", "10.01");
        given([approved(1, known)])
            .when(place(1, order))
            .then_error(Misplaced::Differs {
                number: 1,
                known,
                given: order,
            });
    }

    #[test]
    fn an_order_out_of_turn_is_refused() {
        let order = purchase("19970101", "10.00");
        for number in [0, 2] {
            given(events![])
                .when(place(number, order))
                .then_error(Misplaced::OutOfTurn { number, next: 1 });
        }
    }

    #[test]
    fn an_id_is_read_as_it_is_printed() {
        for (text, id) in [("00004", 4), ("23570", 23570), ("123456", 123_456)] {
            assert_eq!(text.parse(), Ok(CustomerId(id)));
            assert_eq!(CustomerId(id).to_string(), text);
        }
        for text in ["", "x", "-4", "+4", "4294967296"] {
            assert!(text.parse::<CustomerId>().is_err(), "{text:?}");
        }
    }
}
