//! Opening a store: creating its schema, and rights.

use crate::kit::{RUNTIME, address_for, append_to, ids_of, stream};
use midgard::event::NewEvent;
use midgard::store::{Append, AppendCondition, EntryWrite, ExpectedVersion, QueryItem, StoreError};
use midgard::{Place, Store, Version};
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::shared_postgres;

const SCHEMA: &str = include_str!("../../sql/schema.sql");

#[test]
fn many_programs_may_create_a_store_at_once() {
    let name = "many_programs_may_create_a_store_at_once";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("opened_at_once").unwrap();
    RUNTIME.block_on(async {
        let opening = (0..20).map(|_| tokio::spawn(PostgresStore::options(&address).open()));
        for opened in opening.collect::<Vec<_>>() {
            let store = opened.await.unwrap().unwrap();
            let any = ExpectedVersion::Any;
            store.append(append_to("account-1", any)).await.unwrap();
        }
        let store = PostgresStore::open(&address).await.unwrap();
        assert_eq!(ids_of(&store, "account-1").await.len(), 20);
    });
}

#[test]
fn a_role_with_the_least_rights_does_everything_with_a_schema_that_was_made_beforehand() {
    let name =
        "a_role_with_the_least_rights_does_everything_with_a_schema_that_was_made_beforehand";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    server.create_database("least_rights").unwrap();
    let create = "CREATE ROLE shop LOGIN PASSWORD 'secret'";
    server.query("postgres", create).unwrap();
    let address = address_for(server, "shop", "secret", "least_rights");
    RUNTIME.block_on(async {
        let error = PostgresStore::open(&address).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("sql/schema.sql"), "{text}");

        server.query("least_rights", SCHEMA).unwrap();
        let error = PostgresStore::open(&address).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("permission denied for schema midgard"),
            "{text}"
        );
        assert!(text.contains("schema file"), "{text}");

        // Just what the comments of the file say.
        let grants = SCHEMA.lines().filter_map(|line| {
            let grant = line.strip_prefix("--")?.trim();
            grant.starts_with("GRANT").then_some(grant)
        });
        let grants: String = grants.collect();
        server.query("least_rights", &grants).unwrap();
        let store = PostgresStore::open(&address).await.unwrap();

        let event = NewEvent::json("account.opened", 1, b"{}".to_vec()).with_tag("owner", "ann");
        let append = Append::to(stream("account-1"), ExpectedVersion::NoStream, [event])
            .unless(AppendCondition {
                query: QueryItem::new()
                    .name("account.opened")
                    .tag("owner:ann")
                    .into(),
                after: Place::START,
            })
            .with_entries(EntryWrite::new().expect(b"key", None).put(b"key", b"value"));
        store.append(append).await.unwrap();
        let write = EntryWrite::new()
            .expect(b"key", Some(b"value"))
            .remove(b"key");
        store.write_entries(write).await.unwrap();
        let any = ExpectedVersion::Any;
        store.append(append_to("account-1", any)).await.unwrap();
        let account = stream("account-1");
        store.truncate(&account, Version(2), any).await.unwrap();
        store.tombstone(&account, any).await.unwrap();
        assert!(store.stream_state(&account).await.unwrap().tombstoned);

        // It cannot change what was recorded.
        let port = server.port();
        let psql = std::process::Command::new("psql")
            .arg(format!(
                "postgres://shop:secret@127.0.0.1:{port}/least_rights"
            ))
            .args(["--command", "UPDATE midgard.events SET version = 7"])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&psql.stderr).contains("permission denied"));
    });
}

#[test]
fn a_schema_of_a_newer_release_or_of_something_else_is_refused() {
    let name = "a_schema_of_a_newer_release_or_of_something_else_is_refused";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("newer").unwrap();
    RUNTIME.block_on(async {
        PostgresStore::open(&address).await.unwrap();
        let newer = "UPDATE midgard.about SET format = 2";
        server.query("newer", newer).unwrap();
        let error = PostgresStore::open(&address).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::NewerFormat {
                    found: 2,
                    supported: 1,
                    ..
                }
            ),
            "{error}"
        );

        let other = "CREATE SCHEMA other; CREATE TABLE other.about (whatever text)";
        server.query("newer", other).unwrap();
        let options = PostgresStore::options(&address).with_schema("other");
        let error = options.open().await.unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("schema \"other\""), "{error}");
    });
}

#[test]
fn a_store_is_not_created_when_the_options_say_so() {
    let name = "a_store_is_not_created_when_the_options_say_so";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("not_created").unwrap();
    RUNTIME.block_on(async {
        let options = PostgresStore::options(&address).with_schema("mistake");
        let error = options.without_creation().open().await.unwrap_err();
        assert!(
            error.to_string().contains("no schema \"mistake\""),
            "{error}"
        );
        let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'mistake'";
        assert_eq!(server.query("not_created", schemas).unwrap(), "0\n");
    });
}

#[test]
fn schemas_of_one_database_are_separate_stores() {
    let name = "schemas_of_one_database_are_separate_stores";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("schemas").unwrap();
    RUNTIME.block_on(async {
        for schema in ["one", "Tw\"o"] {
            let options = PostgresStore::options(&address).with_schema(schema);
            let store = options.open().await.unwrap();
            let first = append_to("account-1", ExpectedVersion::NoStream);
            store.append(first).await.unwrap();
        }
    });
}

#[test]
fn a_store_is_opened_and_used_within_a_runtime_and_without_one() {
    let name = "a_store_is_opened_and_used_within_a_runtime_and_without_one";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    let address = server.create_database("runtimes").unwrap();
    let use_it = |store: &PostgresStore, stream: &str| {
        let first = append_to(stream, ExpectedVersion::NoStream);
        midgard::block_on(store.append(first)).unwrap();
        assert_eq!(midgard::block_on(ids_of(store, stream)).len(), 1);
    };
    let store = midgard::block_on(PostgresStore::open(&address)).unwrap();
    use_it(&store, "account-1");
    // Its thread ends with it, also where futures run.
    RUNTIME.block_on(async { drop(store) });

    let store = RUNTIME.block_on(PostgresStore::open(&address)).unwrap();
    use_it(&store, "account-2");
}

#[test]
fn commits_wait_for_the_disk_whatever_the_default_of_the_database() {
    let name = "commits_wait_for_the_disk_whatever_the_default_of_the_database";
    let Some(server) = shared_postgres(name) else {
        return;
    };
    for (default, expected) in [("off", "on"), ("remote_apply", "remote_apply")] {
        let database = format!("durable_{default}");
        let address = server.create_database(&database).unwrap();
        let set = format!("ALTER DATABASE {database} SET synchronous_commit = {default}");
        server.query("postgres", &set).unwrap();
        RUNTIME.block_on(async {
            let store = PostgresStore::open(&address).await.unwrap();
            let client = store.connections().reading().await.unwrap();
            let row = client
                .query_one("SHOW synchronous_commit", &[])
                .await
                .unwrap();
            assert_eq!(row.get::<_, String>(0), expected);
        });
    }
}
