//! Views whose definition has changed: the new tables are built beside the old ones, and readers are switched.

use crate::kit::{Customer, Customers, Ordered, Registered, order, register, with_database};
use midgard::view::{Select, ViewError};
use midgard::{Context, HandlerResult, MemoryStore, Midgard, Project, Projection, View};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// The next release, with a further index.
mod indexed {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
    #[view(key = name, index(city), index(cents, ordered), index(first, ordered))]
    pub(crate) struct Customer {
        pub(crate) name: String,
        pub(crate) city: String,
        pub(crate) cents: u64,
        pub(crate) first: Option<u64>,
    }

    #[derive(Projection)]
    #[projection(
        name = "customers",
        events(Registered, Ordered),
        views(Customer),
        version = 2
    )]
    pub(crate) struct Customers;

    impl Project<Registered> for Customers {
        async fn project(
            &self,
            event: Registered,
            context: &mut Context<'_, Self>,
        ) -> HandlerResult {
            let Registered { name, city } = event;
            Ok(context.put(Customer {
                name,
                city,
                cents: 0,
                first: None,
            })?)
        }
    }

    impl Project<Ordered> for Customers {
        async fn project(&self, event: Ordered, context: &mut Context<'_, Self>) -> HandlerResult {
            context.update::<Customer>(&event.name, |row| {
                row.cents += event.cents;
                row.first.get_or_insert(event.cents);
            })?;
            Ok(())
        }
    }
}

/// The release after it, with another key.
mod keyed {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, View)]
    #[view(key = (city, name))]
    pub(crate) struct Customer {
        pub(crate) city: String,
        pub(crate) name: String,
    }

    #[derive(Projection)]
    #[projection(
        name = "customers",
        events(Registered, Ordered),
        views(Customer),
        version = 3
    )]
    pub(crate) struct Customers;

    impl Project<Registered> for Customers {
        async fn project(
            &self,
            event: Registered,
            context: &mut Context<'_, Self>,
        ) -> HandlerResult {
            let Registered { name, city } = event;
            Ok(context.put(Customer { city, name })?)
        }
    }

    impl Project<Ordered> for Customers {
        async fn project(&self, _: Ordered, _: &mut Context<'_, Self>) -> HandlerResult {
            Ok(())
        }
    }
}

async fn some_customers() -> MemoryStore {
    let store = MemoryStore::new();
    for (name, city) in [("ann", "Basel"), ("bob", "Bern"), ("cyd", "Basel")] {
        register(&store, name, city).await;
        order(&store, name, 100).await;
    }
    store
}

#[test]
fn a_changed_view_is_rebuilt_and_keeps_its_name_and_its_grants() {
    with_database("a_changed_view_is_rebuilt", async |database| {
        let store = some_customers().await;
        let views = database.views().await;
        let run = Midgard::new(store.clone()).project(Customers, views.clone());
        run.catch_up().await.unwrap();
        database.sql(
            "DROP ROLE IF EXISTS analyst; CREATE ROLE analyst; \
             GRANT USAGE ON SCHEMA midgard_views TO analyst; \
             GRANT SELECT ON midgard_views.customer TO analyst; \
             CREATE VIEW basel AS SELECT name, cents FROM midgard_views.customer WHERE city = 'Basel'",
        );
        let as_analyst = |sql: &str| database.try_sql(&format!("SET ROLE analyst; {sql}"));
        assert_eq!(
            as_analyst("SELECT count(*) FROM midgard_views.customer")
                .unwrap()
                .trim(),
            "3"
        );

        let run = Midgard::new(store.clone()).project(indexed::Customers, views.clone());
        run.catch_up().await.unwrap();
        let first = views
            .select(indexed::Customer::by_first(100))
            .await
            .unwrap();
        assert_eq!(first.len(), 3);
        let old = views.get::<Customer>("ann").await;
        assert!(
            matches!(old, Err(ViewError::OtherDefinition { .. })),
            "{old:?}"
        );
        let sums = as_analyst("SELECT sum(first) FROM midgard_views.customer").unwrap();
        assert_eq!(sums.trim(), "300");
        assert_eq!(database.sql("SELECT count(*) FROM basel"), "2");
        // The view of the projection that is no longer listed is gone, and so are the old tables.
        let tables = "SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_class c \
            JOIN pg_namespace n ON n.oid = c.relnamespace \
            WHERE n.nspname = 'midgard_views' AND c.relkind IN ('r', 'v') AND c.relname NOT LIKE 'midgard%'";
        assert_eq!(database.sql(tables), "customer customer__3");

        // What depends on columns that would go stands in the way, and is named.
        let run = Midgard::new(store.clone()).project(keyed::Customers, views.clone());
        let handle = run.handle();
        let running = tokio::spawn(run.run());
        let message = loop {
            let status = handle.status_of("customers").unwrap();
            if let Some(error) = status.last_error {
                break format!("{error:?}");
            }
            tokio::task::yield_now().await;
        };
        assert!(
            message.contains("view basel") && message.contains("drop them"),
            "{message}"
        );
        handle.stop();
        running.await.unwrap().unwrap();
        assert_eq!(
            as_analyst("SELECT count(first) FROM midgard_views.customer")
                .unwrap()
                .trim(),
            "3"
        );

        database.sql("DROP VIEW basel");
        let run = Midgard::new(store.clone()).project(keyed::Customers, views.clone());
        run.catch_up().await.unwrap();
        let rows = views
            .select(Select::<keyed::Customer>::all())
            .await
            .unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["ann", "cyd", "bob"]);
        assert_eq!(
            as_analyst("SELECT min(city) FROM midgard_views.customer")
                .unwrap()
                .trim(),
            "Basel"
        );
    });
}

#[test]
fn readers_see_all_rows_while_they_are_rebuilt() {
    with_database(
        "readers_see_all_rows_while_they_are_rebuilt",
        async |database| {
            let store = some_customers().await;
            let views = database.views().await;
            let run = Midgard::new(store.clone()).project(Customers, views.clone());
            run.catch_up().await.unwrap();
            let client = database.client().await;
            let (done, is_done) = watch::channel(false);
            let polling = tokio::spawn(async move {
                let mut polls = 0;
                while !*is_done.borrow() {
                    let row = client
                        .query_one(
                            "SELECT count(*), sum(cents)::int8 FROM midgard_views.customer",
                            &[],
                        )
                        .await
                        .unwrap();
                    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 300));
                    polls += 1;
                }
                polls
            });
            for _ in 0..3 {
                let run = Midgard::new(store.clone()).project(Customers, views.clone());
                let handle = run.handle();
                let before = views.projections().await.unwrap();
                let running = tokio::spawn(run.run());
                handle.rebuild("customers").await.unwrap();
                handle.drain();
                running.await.unwrap().unwrap();
                assert_eq!(views.projections().await.unwrap(), before);
            }
            done.send(true).unwrap();
            assert!(polling.await.unwrap() > 0);
        },
    );
}

#[test]
fn a_projection_is_renamed_and_removed() {
    with_database("a_projection_is_renamed_and_removed", async |database| {
        let store = some_customers().await;
        let views = database.views().await;
        let run = Midgard::new(store.clone()).project(Customers, views.clone());
        run.catch_up().await.unwrap();
        assert!(
            views
                .rename_projection("customers", "clients")
                .await
                .unwrap()
        );
        let kept = views.projections().await.unwrap();
        let kept: Vec<_> = kept
            .iter()
            .map(|one| (one.name.as_str(), one.views.join(" ")))
            .collect();
        assert_eq!(kept, [("clients", "city customer".to_owned())]);
        assert_eq!(views.count(Select::<Customer>::all()).await.unwrap(), 3);
        assert!(views.remove_projection("clients").await.unwrap());
        assert!(!views.remove_projection("clients").await.unwrap());
        let gone = views.count(Select::<Customer>::all()).await;
        assert!(matches!(gone, Err(ViewError::NotBuilt { .. })), "{gone:?}");
        let left = database.sql("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'midgard_views' AND c.relname LIKE 'c%'");
        assert_eq!(left, "0");
    });
}
