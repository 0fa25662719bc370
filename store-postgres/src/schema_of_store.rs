//! The schema: whether it is there, and how it is created.

use crate::connections::Connections;
use crate::error::{self, Failure};
use crate::statements::{in_schema, quoted};
use deadpool_postgres::Object;
use midgard::store::StoreError;
use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The SQL that creates the schema.
pub(crate) const SCHEMA: &str = include_str!("../sql/schema.sql");

/// The format that this release writes and reads.
pub(crate) const FORMAT: i32 = 1;

/// How often creation is tried while other programs create the same schema, and the pause between.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(50);

/// Makes sure that the schema is there and has a format that this release knows.
pub(crate) async fn prepare(connections: &Connections) -> Result<(), StoreError> {
    let client = connections.writing().await?;
    check_encoding(&client).await?;
    let mut tries = 0;
    loop {
        if let Some(found) = format(connections, &client).await? {
            return check_format(connections, found);
        }
        if !connections.options().creates_schema {
            return Err(missing(connections));
        }
        tries += 1;
        match create(connections, &client).await {
            Ok(()) => {}
            // Another program creates it at the same time: all of its tables appear at once, when it commits.
            Err(error) if is_there_already(&error) && tries < TRIES => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(not_created(connections, &error)),
        }
    }
}

/// Returns the format of the schema; `None` when there is no schema.
async fn format(connections: &Connections, client: &Object) -> Result<Option<i32>, StoreError> {
    let schema = quoted(&connections.options().schema);
    let found = client
        .query_opt(&format!("SELECT format FROM {schema}.about"), &[])
        .await;
    match found {
        Ok(Some(row)) => {
            let format = row.try_get(0);
            let format = format.map_err(|error| foreign(connections, &error.to_string()))?;
            Ok(Some(format))
        }
        Ok(None) => Err(foreign(connections, "its table \"about\" is empty")),
        Err(error) => match error.code() {
            Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => Ok(None),
            Some(&SqlState::UNDEFINED_COLUMN) => {
                Err(foreign(connections, "its table \"about\" is another"))
            }
            _ => Err(error::store_error("read the format of its schema", &error)),
        },
    }
}

fn check_format(connections: &Connections, found: i32) -> Result<(), StoreError> {
    match u32::try_from(found) {
        Ok(format) if found > FORMAT => Err(StoreError::NewerFormat {
            path: place(connections),
            found: format,
            supported: FORMAT.unsigned_abs(),
        }),
        Ok(1..) => Ok(()),
        _ => Err(foreign(connections, &format!("its format is {found}"))),
    }
}

/// Creates all of the schema, or nothing.
async fn create(connections: &Connections, client: &Object) -> Result<(), tokio_postgres::Error> {
    let name = &connections.options().schema;
    let found = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = $1";
    let count: i64 = client.query_one(found, &[name]).await?.try_get(0)?;
    let schema = quoted(name);
    let sql = in_schema(SCHEMA, &schema);
    let creation = "CREATE SCHEMA IF NOT EXISTS midgard;";
    // Whoever owns a schema need not be allowed to create one.
    let created = match count {
        0 => format!("CREATE SCHEMA IF NOT EXISTS {schema};"),
        _ => String::new(),
    };
    let sql = sql.replace(creation, &created);
    let outcome = client
        .batch_execute(&format!("BEGIN;\n{sql}\nCOMMIT"))
        .await;
    if outcome.is_err() {
        // It fails when the connection is lost, and then nothing was committed either.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    outcome
}

fn is_there_already(error: &tokio_postgres::Error) -> bool {
    let codes = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_OBJECT,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    error.code().is_some_and(|code| codes.contains(code))
}

fn not_created(connections: &Connections, error: &tokio_postgres::Error) -> StoreError {
    if error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
        return error::store_error("create its schema", error);
    }
    let reason = format!(
        "the role may not do that in {}; have the owner of the database run sql/schema.sql of midgard-store-postgres, which also lists the rights that the role needs",
        connections.location()
    );
    let action = "create its schema";
    Failure::Refused { action, reason }.into()
}

fn missing(connections: &Connections) -> StoreError {
    let reason = format!(
        "{} has no schema \"{}\", and the options say not to create it; run sql/schema.sql of midgard-store-postgres, or correct the address",
        connections.location(),
        connections.options().schema
    );
    let action = "be opened";
    Failure::Refused { action, reason }.into()
}

fn foreign(connections: &Connections, reason: &str) -> StoreError {
    let schema = &connections.options().schema;
    StoreError::Foreign {
        path: place(connections),
        reason: format!("{reason} in the schema \"{schema}\""),
    }
}

/// Names and tags are any text.
async fn check_encoding(client: &Object) -> Result<(), StoreError> {
    let failed = |error| error::store_error("read the encoding of its database", &error);
    let shown = client
        .query_one("SHOW server_encoding", &[])
        .await
        .map_err(failed)?;
    let encoding: String = shown.try_get(0).map_err(failed)?;
    if encoding.eq_ignore_ascii_case("UTF8") {
        return Ok(());
    }
    let reason =
        format!("the encoding of the database is {encoding}; create it with ENCODING 'UTF8'");
    let action = "be opened";
    Err(Failure::Refused { action, reason }.into())
}

fn place(connections: &Connections) -> PathBuf {
    connections.location().into()
}
