//! What roles may do, and what they need.

use crate::kit::{Customer, Customers, Database, register, with_database};
use midgard::view::Select;
use midgard::{MemoryStore, Midgard};
use midgard_store_postgres::{PostgresOptions, PostgresViews};

fn as_role(database: &Database, role: &str) -> PostgresOptions {
    let address = database
        .address
        .replace("postgres:midgard@", &format!("{role}:secret@"));
    PostgresOptions::new(address)
}

#[test]
fn the_least_rights_are_enough() {
    with_database("the_least_rights_are_enough", async |database| {
        database.sql(
            "CREATE ROLE views_shop LOGIN PASSWORD 'secret'; CREATE ROLE views_reader LOGIN PASSWORD 'secret'; \
             CREATE SCHEMA midgard_views AUTHORIZATION views_shop; \
             GRANT USAGE ON SCHEMA midgard_views TO views_reader; \
             ALTER DEFAULT PRIVILEGES FOR ROLE views_shop IN SCHEMA midgard_views GRANT SELECT ON TABLES TO views_reader",
        );
        let store = MemoryStore::new();
        register(&store, "ann", "Basel").await;
        let options = as_role(&database, "views_shop");
        let views = PostgresViews::open_with(&options).await.unwrap();
        let run = Midgard::new(store.clone()).project(Customers, views.clone());
        run.catch_up().await.unwrap();
        let reader = as_role(&database, "views_reader").without_creation();
        let reader = PostgresViews::open_with(&reader).await.unwrap();
        assert_eq!(reader.count(Select::<Customer>::all()).await.unwrap(), 1);

        // A role that only reads does not project.
        register(&store, "bob", "Bern").await;
        let run = Midgard::new(store).project(Customers, reader);
        let handle = run.handle();
        let running = tokio::spawn(run.run());
        let message = loop {
            if let Some(error) = handle.status_of("customers").unwrap().last_error {
                break format!("{error:?}");
            }
            tokio::task::yield_now().await;
        };
        assert!(message.contains("permission denied"), "{message}");
        handle.stop();
        running.await.unwrap().unwrap();
    });
}

#[test]
fn views_that_are_not_there_are_not_created_by_mistake() {
    with_database("views_that_are_not_there", async |database| {
        let options = PostgresOptions::new(&database.address).without_creation();
        let error = PostgresViews::open_with(&options)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("open them once with the right to create them"),
            "{error}"
        );
        assert!(!error.contains("midgard@"), "{error}");
        database.sql("CREATE SCHEMA midgard_views; CREATE TABLE midgard_views.midgard_format (version int); INSERT INTO midgard_views.midgard_format VALUES (2)");
        let error = PostgresViews::open(&database.address)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("format 2, and this release reads format 1"),
            "{error}"
        );
    });
}

#[test]
fn many_programs_start_at_once() {
    with_database("many_programs_start_at_once", async |database| {
        let opening = (0..12).map(|_| PostgresViews::open(&database.address));
        for opened in futures_util::future::join_all(opening).await {
            opened.unwrap();
        }
    });
}
