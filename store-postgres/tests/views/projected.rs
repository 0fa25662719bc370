//! Views that a projection keeps.

use crate::kit::{City, Customer, Customers, Left, append, order, register, with_database};
use midgard::{MemoryStore, Midgard};

#[test]
fn a_projection_over_another_store_keeps_tables() {
    with_database(
        "a_projection_over_another_store_keeps_tables",
        async |database| {
            let store = MemoryStore::new();
            register(&store, "ann", "Basel").await;
            register(&store, "bob", "Bern").await;
            register(&store, "cyd", "Basel").await;
            order(&store, "ann", 250).await;
            order(&store, "ann", 50).await;
            append(
                &store,
                "bob",
                &Left {
                    name: "bob".to_owned(),
                },
            )
            .await;

            let views = database.views().await;
            let midgard = Midgard::new(store.clone()).project(Customers, views.clone());
            midgard.catch_up().await.unwrap();

            let ann = views.get::<Customer>("ann").await.unwrap().unwrap();
            assert_eq!((ann.city.as_str(), ann.cents), ("Basel", 300));
            let basel = views.select(Customer::by_city("Basel")).await.unwrap();
            let names: Vec<_> = basel.iter().map(|row| row.name.as_str()).collect();
            assert_eq!(names, ["ann", "cyd"]);
            let bern = views.get::<City>("Bern").await.unwrap().unwrap();
            assert_eq!(bern.customers, 0);
            let joined = database.sql(
                "SELECT c.name, c.cents, (t.data->>'customers')::int \
             FROM midgard_views.customer c JOIN midgard_views.city t USING (city) ORDER BY 1",
            );
            assert_eq!(joined, "ann\t300\t2\ncyd\t0\t2");
        },
    );
}
