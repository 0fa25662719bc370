//! Notes: checkpoints, leases and the like, which must be unchanged at the commit that relies on them.

use super::error::failed;
use super::names::{NOTES, Schema};
use deadpool_postgres::Object;
use futures_util::future::try_join;
use midgard::view::ViewError;
use midgard::view::database::{NotesRange, ViewWrite};
use std::collections::HashMap;
use tokio_postgres::Statement;

pub(super) async fn read(
    client: &Object,
    schema: &Schema,
    keys: &[String],
) -> Result<Vec<Option<String>>, ViewError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let table = schema.of(NOTES);
    let sql = format!("SELECT key, value FROM {table} WHERE key = ANY($1) AND value IS NOT NULL");
    let statement = prepared(client, &sql).await?;
    let rows = client.query(&statement, &[&keys]).await;
    let rows = rows.map_err(failed("read notes"))?;
    let found: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

pub(super) async fn list(
    client: &Object,
    schema: &Schema,
    range: &NotesRange,
) -> Result<Vec<(String, String)>, ViewError> {
    let (table, prefix) = (schema.of(NOTES), &range.prefix);
    let sql = format!(
        "SELECT key, value FROM {table} \
         WHERE key >= $1 AND key > $2 AND ($4 = '' OR key < $4) AND value IS NOT NULL \
         ORDER BY key LIMIT $3"
    );
    let statement = prepared(client, &sql).await?;
    let limit = range.limit.and_then(|limit| i64::try_from(limit).ok());
    let end = super::range::after_text(prefix).unwrap_or_default();
    let rows = client
        .query(&statement, &[prefix, &range.after, &limit, &end])
        .await;
    let rows = rows.map_err(failed("read notes"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Locks the notes that a commit relies on, and checks that they are as expected.
pub(super) async fn lock(
    client: &Object,
    schema: &Schema,
    write: &ViewWrite,
) -> Result<(), ViewError> {
    if write.expected.is_empty() {
        return Ok(());
    }
    let table = schema.of(NOTES);
    let absent = write.expected.iter().filter(|(_, note)| note.is_none());
    let absent: Vec<&String> = absent.map(|(key, _)| key).collect();
    // What is missing cannot be locked.
    if !absent.is_empty() {
        let sql = format!(
            "INSERT INTO {table} (key, value) SELECT k, NULL FROM unnest($1::text[]) AS k ON CONFLICT (key) DO NOTHING"
        );
        let statement = prepared(client, &sql).await?;
        let inserted = client.execute(&statement, &[&absent]).await;
        inserted.map_err(failed("write notes"))?;
    }
    let (mut changed, mut kept) = (Vec::new(), Vec::new());
    for key in write.expected.keys() {
        match write.notes.contains_key(key) || absent.contains(&key) {
            true => changed.push(key),
            false => kept.push(key),
        }
    }
    let locked = |keys, lock| locked(client, &table, keys, lock);
    let (mut found, changed) = try_join(locked(kept, "SHARE"), locked(changed, "UPDATE")).await?;
    found.extend(changed);
    for (key, expected) in &write.expected {
        if found.get(key).unwrap_or(&None) != expected {
            return Err(ViewError::Changed { note: key.clone() });
        }
    }
    Ok(())
}

async fn locked(
    client: &Object,
    table: &str,
    keys: Vec<&String>,
    lock: &str,
) -> Result<HashMap<String, Option<String>>, ViewError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT key, value FROM {table} WHERE key = ANY($1) ORDER BY key FOR {lock}");
    let statement = prepared(client, &sql).await?;
    let rows = client.query(&statement, &[&keys]).await;
    let rows = rows.map_err(failed("read notes"))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Writes the changed notes, and removes what [`lock`] put where there was nothing.
pub(super) async fn write(
    client: &Object,
    schema: &Schema,
    write: &ViewWrite,
) -> Result<(), ViewError> {
    let table = schema.of(NOTES);
    let (mut keys, mut values, mut removed) = (Vec::new(), Vec::new(), Vec::new());
    for (key, note) in &write.notes {
        match note {
            Some(note) => {
                keys.push(key);
                values.push(note);
            }
            None => removed.push(key),
        }
    }
    let absent = write.expected.iter().filter(|(_, note)| note.is_none());
    removed.extend(
        absent
            .map(|(key, _)| key)
            .filter(|key| !write.notes.contains_key(*key)),
    );
    if !keys.is_empty() {
        let sql = format!(
            "INSERT INTO {table} (key, value) SELECT k, v FROM unnest($1::text[], $2::text[]) AS n(k, v) \
             ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value"
        );
        let statement = prepared(client, &sql).await?;
        let written = client.execute(&statement, &[&keys, &values]).await;
        written.map_err(failed("write notes"))?;
    }
    if !removed.is_empty() {
        let sql = format!("DELETE FROM {table} WHERE key = ANY($1)");
        let statement = prepared(client, &sql).await?;
        let written = client.execute(&statement, &[&removed]).await;
        written.map_err(failed("write notes"))?;
    }
    Ok(())
}

pub(super) async fn prepared(client: &Object, sql: &str) -> Result<Statement, ViewError> {
    let prepared = client.prepare_cached(sql).await;
    prepared.map_err(failed("prepare a statement"))
}
