//! Embedded views in a memory store.

use midgard::Views;
use midgard::projection::Generation;
use midgard::projection::ViewDefinition;
use midgard::view::{Select, ViewError, ViewTransaction};
use midgard::{MemoryStore, View};
use midgard_contract::ViewFixture;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, View)]
#[view(name = "contract_numbers", key = key)]
struct Numbers {
    key: String,
    number: u32,
}

#[derive(Serialize, Deserialize, View)]
#[view(name = "contract_others", key = key)]
struct Others {
    key: String,
    number: u32,
}

pub(crate) struct Memory(MemoryStore);

impl ViewFixture for Memory {
    type Views = Views;

    fn new() -> Self {
        Memory(MemoryStore::new())
    }

    async fn open(&self) -> Views {
        Views::new(self.0.clone())
    }

    fn view(name: &'static str) -> ViewDefinition {
        match name {
            Self::NUMBERS => ViewDefinition::of::<Numbers>(),
            _ => ViewDefinition::of::<Others>(),
        }
    }

    async fn put_row(
        transaction: &mut ViewTransaction,
        _: &Generation,
        view: &'static str,
        key: &str,
        number: u32,
    ) {
        let key = key.to_owned();
        match view {
            Self::NUMBERS => transaction.put(Numbers { key, number }).unwrap(),
            _ => transaction.put(Others { key, number }).unwrap(),
        }
    }

    async fn rows(views: &Views, view: &'static str) -> Option<Vec<(String, u32)>> {
        match view {
            Self::NUMBERS => rows(views, |row: Numbers| (row.key, row.number)),
            _ => rows(views, |row: Others| (row.key, row.number)),
        }
    }
}

fn rows<V: View>(views: &Views, read: impl Fn(V) -> (String, u32)) -> Option<Vec<(String, u32)>> {
    match views.select(Select::<V>::all()) {
        Ok(rows) => Some(rows.into_iter().map(read).collect()),
        Err(ViewError::NotBuilt { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}
