//! Embedded views in a memory store.

use midgard::projection::Generation;
use midgard::testing::ViewFixture;
use midgard::view::{
    KeyBytes, Select, ViewDefinition, ViewError, ViewIndex, ViewTransaction, Views,
};
use midgard::{MemoryStore, View, ViewKey as _};
use serde::{Deserialize, Serialize};

macro_rules! view {
    ($view:ident, $name:expr) => {
        #[derive(Serialize, Deserialize)]
        struct $view {
            key: String,
            number: u32,
        }

        impl View for $view {
            const NAME: &'static str = $name;
            const INDEXES: &'static [ViewIndex<Self>] = &[];
            type Key = String;

            fn encode_key(&self, bytes: &mut KeyBytes) {
                self.key.encode(bytes);
            }

            fn describe(form: &mut String) {
                form.push_str("key: String, number: u32");
            }
        }

        impl $view {
            fn rows(views: &Views) -> Option<Vec<(String, u32)>> {
                match views.select(Select::<Self>::all()) {
                    Ok(rows) => Some(rows.into_iter().map(|row| (row.key, row.number)).collect()),
                    Err(ViewError::NotBuilt { .. }) => None,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    };
}

view!(Numbers, Memory::NUMBERS);
view!(Others, Memory::OTHERS);

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
            Self::NUMBERS => Numbers::rows(views),
            _ => Others::rows(views),
        }
    }
}
