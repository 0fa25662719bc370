//! Drives the customers: one command for every row, many customers at once.

use super::Cents;
use super::customer::{Customer, CustomerId, Misplaced, PlaceOrder};
use super::listing::Row;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use midgard::repository::{ExecuteError, Loaded};
use midgard::store::AppendError;
use midgard::{Repository, Store};
use std::collections::{HashMap, VecDeque};

/// How many commands are in flight at once: enough for a store to commit many of them together.
pub const IN_FLIGHT: usize = 256;

/// How many rows may wait for an earlier one of their customer while others are read past them.
const WAITING: usize = 4096;

/// The reason why an import ended before its last row. Every earlier row was decided, or will be in the next run.
#[derive(Debug, thiserror::Error)]
pub enum ImportError<E> {
    /// A row could not be read. All rows before it were decided, and are kept.
    #[error(transparent)]
    Row(E),
    /// An order could not be decided.
    #[error("order {number} of customer {customer}: {cause}")]
    Order {
        /// The customer.
        customer: CustomerId,
        /// The number among the customer's orders.
        number: u64,
        /// The reason.
        cause: Box<ExecuteError<Misplaced>>,
    },
}

/// Places every row as an order of its customer.
///
/// Up to [`IN_FLIGHT`] customers are served at once, each one's rows one after the other. A row is identified by its
/// number among the rows of its customer, so orders decided by an earlier run are recognised and not decided again.
/// `placed` is called after every order. Memory grows with the number of customers (a few bytes each), not with the
/// number of rows.
///
/// # Errors
/// [`ImportError`]; after a row that could not be read, the orders before it are all placed first.
pub async fn import<S: Store, E>(
    customers: &Repository<Customer, S>,
    rows: impl IntoIterator<Item = Result<Row, E>>,
    credit_limit: Cents,
    mut placed: impl FnMut(),
) -> Result<(), ImportError<E>> {
    let mut rows = rows.into_iter().fuse();
    let mut unreadable = None;
    let mut turns = Turns::default();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while unreadable.is_none() && in_flight.len() < IN_FLIGHT && turns.waiting < WAITING {
            match rows.next() {
                Some(Ok(row)) => {
                    let turn = turns.take(row, credit_limit);
                    let first = |(customer, order)| place(customers, customer, None, order);
                    in_flight.extend(turn.map(first));
                }
                Some(Err(error)) => unreadable = Some(error),
                None => break,
            }
        }
        let Some(done) = in_flight.next().await else {
            return unreadable.map_or(Ok(()), |error| Err(ImportError::Row(error)));
        };
        let (customer, loaded) = done?;
        placed();
        let turn = turns.pass_on(customer);
        in_flight.extend(turn.map(|order| place(customers, customer, Some(loaded), order)));
    }
}

/// A customer in the state after the last order, to continue without loading it again.
type Served = (CustomerId, Loaded<Customer>);

async fn place<S: Store, E>(
    customers: &Repository<Customer, S>,
    customer: CustomerId,
    served: Option<Loaded<Customer>>,
    order: PlaceOrder,
) -> Result<Served, ImportError<E>> {
    let placed = match served {
        Some(loaded) => go_on(customers, customer, loaded, &order).await,
        None => customers.execute(&customer, &order).await,
    };
    match placed {
        Ok(loaded) => Ok((customer, loaded)),
        Err(cause) => Err(ImportError::Order {
            customer,
            number: order.number,
            cause: Box::new(cause),
        }),
    }
}

/// Places an order on the state after the previous one, so that a customer's orders in a row do not each load all
/// earlier ones.
async fn go_on<S: Store>(
    customers: &Repository<Customer, S>,
    customer: CustomerId,
    mut loaded: Loaded<Customer>,
    order: &PlaceOrder,
) -> Result<Loaded<Customer>, ExecuteError<Misplaced>> {
    loaded.decide(order).map_err(ExecuteError::Rejected)?;
    match customers.commit(loaded).await {
        // Another program serves this customer too: decide again, on its result.
        Err(AppendError::Conflict { .. }) => customers.execute(&customer, order).await,
        committed => committed.map_err(ExecuteError::Append),
    }
}

/// Takes turns: each customer has one order in flight, and the next ones wait.
#[derive(Default)]
struct Turns {
    /// How many orders each customer has so far.
    numbers: HashMap<CustomerId, u64>,
    /// The customers with an order in flight, and the orders that wait for it.
    busy: HashMap<CustomerId, VecDeque<PlaceOrder>>,
    /// How many orders wait, over all customers.
    waiting: usize,
}

impl Turns {
    /// Numbers a row, and returns its order if its customer has none in flight.
    fn take(&mut self, row: Row, credit_limit: Cents) -> Option<(CustomerId, PlaceOrder)> {
        let Row { customer, purchase } = row;
        let number = self.numbers.entry(customer).or_default();
        *number += 1;
        let order = PlaceOrder {
            number: *number,
            purchase,
            credit_limit,
        };
        if let Some(queue) = self.busy.get_mut(&customer) {
            queue.push_back(order);
            self.waiting += 1;
            return None;
        }
        self.busy.insert(customer, VecDeque::new());
        Some((customer, order))
    }

    /// Returns the order after the one in flight; if there is none, the customer is no longer busy.
    fn pass_on(&mut self, customer: CustomerId) -> Option<PlaceOrder> {
        let next = self.busy.get_mut(&customer)?.pop_front();
        match next {
            Some(_) => self.waiting -= 1,
            None => drop(self.busy.remove(&customer)),
        }
        next
    }
}
