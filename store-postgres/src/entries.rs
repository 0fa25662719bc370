//! Reads of entries, in batches.

use crate::Shared;
use crate::error;
use crate::reading::Tries;
use crate::rows::column;
use futures_util::{TryStreamExt, pin_mut};
use midgard::store::{ReadEntries, StoreError, VisitEntry};
use std::ops::Bound;
use tokio_postgres::types::ToSql;

/// How many entries a batch has at most, and after how many bytes the next one is smaller.
const BATCH: i64 = 1024;
const BATCH_BYTES: usize = 4 << 20;

const ACTION: &str = "read entries";

/// Reads entries in the order of their keys.
pub(crate) async fn read(
    shared: &Shared,
    read: &ReadEntries,
    visit: &mut VisitEntry<'_>,
) -> Result<(), StoreError> {
    if read.range().is_none() || read.limit == 0 {
        return Ok(());
    }
    let mut from = read.from.clone();
    let mut left = read.limit;
    let mut batch = BATCH;
    loop {
        let wanted = i64::try_from(left).unwrap_or(BATCH).min(batch);
        let sql = statement(shared, &from, &read.to);
        let (lower, upper) = (bytes(&from), bytes(&read.to));
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&wanted];
        parameters.extend(lower.as_ref().map(|key| key as &(dyn ToSql + Sync)));
        parameters.extend(upper.as_ref().map(|key| key as &(dyn ToSql + Sync)));
        let mut tries = Tries::default();
        let (client, rows) = loop {
            let client = shared.connections.reading().await?;
            let begun = async {
                let statement = client.prepare_cached(&sql).await?;
                client
                    .query_raw(&statement, parameters.iter().copied())
                    .await
            };
            match begun.await {
                Ok(rows) => break (client, rows),
                Err(error) => tries.failed(client, ACTION, &error)?,
            }
        };
        let (mut count, mut size, mut last) = (0, 0, Vec::new());
        pin_mut!(rows);
        while let Some(row) = rows
            .try_next()
            .await
            .map_err(|error| error::store_error(ACTION, &error))?
        {
            let (key, value): (&[u8], &[u8]) = (column(&row, 0)?, column(&row, 1)?);
            count += 1;
            size += value.len();
            left -= 1;
            if count == wanted {
                last = key.to_vec();
            }
            if visit(key, value).is_break() || left == 0 {
                return Ok(());
            }
        }
        drop(client);
        if count < wanted {
            return Ok(());
        }
        from = Bound::Excluded(last);
        if size > BATCH_BYTES {
            batch = (batch / 4).max(1);
        }
    }
}

/// Returns the SQL for these kinds of bounds.
fn statement(shared: &Shared, from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> String {
    let lower = match from {
        Bound::Included(_) => " AND key >= $2",
        Bound::Excluded(_) => " AND key > $2",
        Bound::Unbounded => "",
    };
    let number = if lower.is_empty() { 2 } else { 3 };
    let upper = match to {
        Bound::Included(_) => format!(" AND key <= ${number}"),
        Bound::Excluded(_) => format!(" AND key < ${number}"),
        Bound::Unbounded => String::new(),
    };
    shared.statements.in_schema(&format!(
        "SELECT key, value FROM midgard.entries WHERE true{lower}{upper} ORDER BY key LIMIT $1"
    ))
}

fn bytes(bound: &Bound<Vec<u8>>) -> Option<&[u8]> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}
