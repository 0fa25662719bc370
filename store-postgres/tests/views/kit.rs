//! What the tests share: a database for each, customers as events, and their views.

use midgard::event::NewEvent;
use midgard::store::{Append, ExpectedVersion};
use midgard::{
    Context, Event, HandlerResult, MemoryStore, Project, Projection, Store, StreamName, View,
};
use midgard_store_postgres::PostgresViews;
use midgard_test_servers::{Postgres, shared_postgres};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

/// A database for one test.
pub(crate) struct Database {
    server: &'static Postgres,
    name: String,
    pub(crate) address: String,
}

/// Runs a test with a database of its own, within a runtime.
pub(crate) fn with_database<F: Future<Output = ()>>(test: &str, run: impl FnOnce(Database) -> F) {
    let Some(server) = shared_postgres(test) else {
        return;
    };
    let name = format!("views_{test}").chars().take(60).collect::<String>();
    let address = server.create_database(&name).unwrap();
    let database = Database {
        server,
        name,
        address,
    };
    RUNTIME.block_on(run(database));
}

pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

impl Database {
    pub(crate) async fn views(&self) -> PostgresViews {
        PostgresViews::open(&self.address).await.unwrap()
    }

    /// Runs SQL as the superuser, and returns the values by lines and tabs.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server
            .query(&self.name, sql)
            .unwrap()
            .trim()
            .to_owned()
    }

    pub(crate) fn try_sql(&self, sql: &str) -> Result<String, String> {
        self.server
            .query(&self.name, sql)
            .map_err(|error| format!("{error:?}"))
    }

    pub(crate) async fn client(&self) -> tokio_postgres::Client {
        let (client, connection) = tokio_postgres::connect(&self.address, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "customer.registered")]
pub(crate) struct Registered {
    pub(crate) name: String,
    pub(crate) city: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "customer.ordered")]
pub(crate) struct Ordered {
    pub(crate) name: String,
    pub(crate) cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "customer.left")]
pub(crate) struct Left {
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = name, index(city), index(cents, ordered))]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) city: String,
    pub(crate) cents: u64,
}

/// How many customers each city has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(key = city)]
pub(crate) struct City {
    pub(crate) city: String,
    pub(crate) customers: u32,
}

#[derive(Projection)]
#[projection(
    name = "customers",
    events(Registered, Ordered, Left),
    views(Customer, City)
)]
pub(crate) struct Customers;

impl Project<Registered> for Customers {
    async fn project(&self, event: Registered, context: &mut Context<'_, Self>) -> HandlerResult {
        let Registered { name, city } = event;
        let none = || City {
            city: city.clone(),
            customers: 0,
        };
        context.upsert::<City>(&city, none, |row| row.customers += 1)?;
        Ok(context.put(Customer {
            name,
            city,
            cents: 0,
        })?)
    }
}

impl Project<Ordered> for Customers {
    async fn project(&self, event: Ordered, context: &mut Context<'_, Self>) -> HandlerResult {
        let found = context.update::<Customer>(&event.name, |row| row.cents += event.cents)?;
        if !found {
            return Err(format!("{} is no customer", event.name).into());
        }
        Ok(())
    }
}

impl Project<Left> for Customers {
    async fn project(&self, event: Left, context: &mut Context<'_, Self>) -> HandlerResult {
        let Some(customer) = context.get::<Customer>(&event.name)? else {
            return Ok(());
        };
        let city = customer.city.clone();
        context.update::<City>(&city, |row| row.customers -= 1)?;
        context.remove::<Customer>(&event.name)?;
        Ok(())
    }
}

pub(crate) async fn append<E: Event + Serialize>(store: &MemoryStore, name: &str, event: &E) {
    let event = NewEvent::encode(event).unwrap();
    let stream = StreamName::new(format!("customer-{name}")).unwrap();
    let append = Append::to(stream, ExpectedVersion::Any, [event]);
    store.append(append).await.unwrap();
}

pub(crate) async fn register(store: &MemoryStore, name: &str, city: &str) {
    let (name, city) = (name.to_owned(), city.to_owned());
    append(store, &name.clone(), &Registered { name, city }).await;
}

pub(crate) async fn order(store: &MemoryStore, name: &str, cents: u64) {
    let name = name.to_owned();
    append(store, &name.clone(), &Ordered { name, cents }).await;
}
