//! Views, and the projections that keep them.
//!
//! A [`View`] is a row of a table, found by its key and by its indexes. A [`Projection`] has one [`Project`] for
//! each event that it lists; a forgotten one does not compile. Rows and checkpoint are committed together, so every event takes
//! effect exactly once, even if the process is killed.
//!
//! ```
//! # use midgard::store::{Append, ExpectedVersion};
//! # use midgard::{MemoryStore, Store, StreamName};
//! # use midgard::event::NewEvent;
//! use midgard::{Context, HandlerResult, Midgard, Project, Views};
//! # #[midgard::event(name = "order.placed")]
//! # struct OrderPlaced { customer: String, city: String, cents: u64 }
//!
//! #[midgard::view(key = name, index(city), index(total, ordered))]
//! struct Customer { name: String, city: String, total: u64 }
//!
//! #[midgard::projection(name = "customers", events(OrderPlaced), views(Customer))]
//! struct Customers;
//!
//! impl Project<OrderPlaced> for Customers {
//!     async fn project(&self, event: OrderPlaced, context: &mut Context<'_, Self>) -> HandlerResult {
//!         let OrderPlaced { customer, city, cents } = event;
//!         let new = || Customer { name: customer.clone(), city, total: 0 };
//!         context.upsert(&customer, new, |row: &mut Customer| row.total += cents)?;
//!         Ok(())
//!     }
//! }
//!
//! # midgard::block_on(async {
//! # let store = MemoryStore::new();
//! # let order = |customer: &str, city: &str, cents| NewEvent::encode(&OrderPlaced {
//! #     customer: customer.to_owned(), city: city.to_owned(), cents });
//! # let orders = [order("ann", "Oslo", 500)?, order("bob", "Bergen", 900)?, order("ann", "Oslo", 700)?];
//! # store.append(Append::to(StreamName::new("orders")?, ExpectedVersion::NoStream, orders)).await?;
//! let views = Views::new(store.clone()); // or a store of their own
//! Midgard::new(store).project(Customers, views.clone()).catch_up().await?;
//!
//! let in_oslo = views.select(Customer::by_city("Oslo"))?;
//! assert_eq!(in_oslo[0].total, 1_200);
//! let best = views.page(Customer::ordered_by_total().reverse().limit(10))?;
//! assert_eq!(best.rows[0].name, "ann");
//! assert_eq!(views.count(Customer::by_total_range(1_000..))?, 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! `#[midgard::view(..)]` is `#[derive(Debug, Clone, Serialize, Deserialize, View)]` and `#[view(..)]` in one line, and
//! `#[midgard::projection(..)]` is `#[derive(Projection)]` and `#[projection(..)]`.
//!
//! `covers(OrderEvent)` refuses a projection that neither handles nor `ignore(..)`s an event of the set. Types of
//! your own become keys with `#[derive(ViewKey)]`; [`StartingWith`](crate::view::StartingWith) selects by the beginning
//! of a text or a tuple.
//!
//! A [snapshot](crate::Views::snapshot) shows several views as they were at one moment, and [up to which
//! place](crate::view::ViewSnapshot::place_of) they include the log. [`Select`] has filters, limits, and pages that
//! continue from a [`Cursor`]. Within a handler, [`Context`] reads and changes rows, has the event's stream and
//! metadata, and runs effects [after the commit](crate::Context::after_commit).
//!
//! When the definition of a view changes, or `version` in `#[projection(..)]`, the views are rebuilt from the first event
//! on, alongside the old ones, and readers switch when the new ones have caught up. Effects after commits do not happen
//! again. A program of the old release, in another process, keeps the old views up to date until then, and then fails with the
//! reason. [`MidgardHandle::rebuild`] requests a rebuild by hand.
//!
//! [`testing::given_projection`](crate::testing::given_projection) tests a projection: events, and the rows that it
//! derives from them. A projection that lists [`StreamTombstoned`](crate::store::StreamTombstoned) removes rows when an
//! aggregate [is erased](super::erasing).
//!
//! [`Live`] folds a projection on demand, in memory, for views that must never lag behind. [`ViewStore`] is the
//! small trait behind it all: implement it to keep views in SQL, in your own transactions.
//!
//! [`Context`]: crate::Context
//! [`Cursor`]: crate::view::Cursor
//! [`Live`]: crate::view::Live
//! [`MidgardHandle::rebuild`]: crate::MidgardHandle::rebuild
//! [`Project`]: crate::Project
//! [`Projection`]: crate::Projection
//! [`Select`]: crate::view::Select
//! [`View`]: crate::View
//! [`ViewStore`]: crate::projection::ViewStore
