//! What the tests share: a view with an index of every kind, and a table to write it to.

use midgard::notes::NoteStore as _;
use midgard::projection::ViewDefinition;
use midgard::projection::{Generation, ViewStore as _};
use midgard::view::ViewTransaction;
use midgard::view::{Select, ViewError};
use midgard::{MemoryStore, View, ViewKey, Views, block_on};
use serde::{Deserialize, Serialize};

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ViewKey,
)]
pub(crate) enum Status {
    New,
    Active,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
#[view(
    key = id,
    index(city, ordered),
    index(email, unique, ordered),
    index(balance, ordered),
    index(status, ordered),
    index(place = (country, city), ordered),
    index(badge = (country, number), unique)
)]
pub(crate) struct Customer {
    pub(crate) id: u64,
    pub(crate) country: String,
    pub(crate) city: String,
    pub(crate) email: Option<String>,
    pub(crate) balance: i64,
    pub(crate) status: Status,
    pub(crate) number: u32,
}

/// A customer with the number of its id, no email, and no balance.
pub(crate) fn customer(id: u64, country: &str, city: &str) -> Customer {
    Customer {
        id,
        country: country.to_owned(),
        city: city.to_owned(),
        email: None,
        balance: 0,
        status: Status::New,
        number: u32::try_from(id).unwrap(),
    }
}

pub(crate) fn with_email(id: u64, email: &str) -> Customer {
    Customer {
        email: Some(email.to_owned()),
        ..customer(id, "Norway", "Oslo")
    }
}

pub(crate) fn with_balance(id: u64, balance: i64) -> Customer {
    Customer {
        balance,
        ..customer(id, "Norway", "Oslo")
    }
}

/// The tables of a projection's first generation.
pub(crate) struct Tables {
    pub(crate) store: MemoryStore,
    pub(crate) views: Views,
    pub(crate) generation: Generation,
}

impl Tables {
    pub(crate) fn of<V: View>() -> Self {
        Tables::with(vec![ViewDefinition::of::<V>()])
    }

    pub(crate) fn with(definitions: Vec<ViewDefinition>) -> Self {
        let store = MemoryStore::new();
        let views = Views::new(store.clone());
        let generation = Generation::new("tests", 1, definitions);
        let tables = Tables {
            store,
            views,
            generation,
        };
        tables.build().unwrap();
        tables
    }

    /// Makes the tables of the generation, and lets readers see them.
    pub(crate) fn build(&self) -> Result<(), ViewError> {
        block_on(async {
            let mut transaction = self.views.begin_generation(&self.generation).await?;
            self.views
                .prepare(&mut transaction, &self.generation)
                .await?;
            self.views
                .activate(&mut transaction, &self.generation)
                .await?;
            self.views.commit(transaction).await
        })
    }

    pub(crate) fn begin(&self) -> ViewTransaction {
        block_on(self.views.begin_generation(&self.generation)).unwrap()
    }

    pub(crate) fn commit(&self, transaction: ViewTransaction) -> Result<(), ViewError> {
        block_on(self.views.commit(transaction))
    }

    /// Changes rows in one transaction.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut ViewTransaction) -> Result<(), ViewError>,
    ) -> Result<(), ViewError> {
        let mut transaction = self.begin();
        change(&mut transaction)?;
        self.commit(transaction)
    }

    /// Puts rows in one transaction.
    pub(crate) fn put<V: View>(&self, rows: impl IntoIterator<Item = V>) -> Result<(), ViewError> {
        self.change(|transaction| rows.into_iter().try_for_each(|row| transaction.put(row)))
    }

    /// The ids of the selected customers, in order.
    pub(crate) fn ids(&self, select: Select<Customer>) -> Vec<u64> {
        let rows = self.views.select(select).unwrap();
        rows.iter().map(|row| row.id).collect()
    }
}
