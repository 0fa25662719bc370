//! The contract of a store, and all of it. Each case has a schema of its own in one server; its handles share nothing
//! but the server, as processes do.
#![allow(clippy::unwrap_used)]

use midgard_contract::Fixture;
use midgard_store_postgres::PostgresStore;
use midgard_test_servers::{Postgres, shared_postgres};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

struct InSchema {
    server: &'static Postgres,
    schema: String,
}

impl Fixture for InSchema {
    type Store = PostgresStore;

    fn can_run(case: &str) -> bool {
        shared_postgres(case).is_some()
    }

    fn new() -> Self {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        InSchema {
            server: shared_postgres("contract").unwrap(),
            schema: format!("case {number}"),
        }
    }

    fn open(&self) -> PostgresStore {
        let options = PostgresStore::options(self.server.address())
            .with_schema(&self.schema)
            .with_max_connections(4);
        // A store is opened in a runtime, and used from anywhere.
        let opened = RUNTIME.spawn(options.open());
        midgard::block_on(opened).unwrap().unwrap()
    }
}

midgard_contract::store_contract!(InSchema);
