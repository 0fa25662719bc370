//! Rows: read by key and by unique value, and written, many in one statement.

use super::columns::{Columns, quoted};
use super::error::failed;
use super::names::Schema;
use super::notes::prepared;
use super::value::SqlValue;
use deadpool_postgres::Object;
use midgard::store::StoreError;
use midgard::view::ViewError;
use midgard::view::database::{NewRow, RowChange, RowsWrite, TableRef};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// How many rows, and about how many bytes, one statement writes.
const ROWS: usize = 5_000;
const BYTES: usize = 16 << 20;

/// Reads the rows whose columns at these places have the values; each with the number of its values.
pub(super) async fn read(
    client: &Object,
    schema: &Schema,
    table: &TableRef,
    places: &[usize],
    values: &[Vec<u8>],
) -> Result<Vec<(usize, Vec<u8>)>, ViewError> {
    let columns = Columns::of(&table.definition)?;
    let mut arrays = vec![Vec::new(); places.len()];
    let mut numbers = Vec::new();
    for (number, bytes) in (0_i32..).zip(values) {
        let read = columns.read(places, bytes)?;
        // No row has such a text.
        if read.iter().any(has_nul) {
            continue;
        }
        numbers.push(number);
        for (array, value) in arrays.iter_mut().zip(read) {
            array.push(value);
        }
    }
    let name = schema.table(columns.view, table.number);
    let (casts, names, equal) = joined(&columns, places, 2);
    let data = quoted(columns.data);
    let sql = format!(
        "SELECT k.n, t.{data}::text FROM unnest($1::integer[], {casts}) AS k(n, {names}) JOIN {name} t ON {equal}"
    );
    let statement = prepared(client, &sql).await?;
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&numbers];
    parameters.extend(arrays.iter().map(|array| array as &(dyn ToSql + Sync)));
    let rows = client.query(&statement, &parameters).await;
    let rows = rows.map_err(failed("read rows"))?;
    Ok(rows
        .iter()
        .map(|row| {
            (
                usize::try_from(row.get::<_, i32>(0)).unwrap_or(usize::MAX),
                data_of(row, 1),
            )
        })
        .collect())
}

/// Returns a row's JSON from a column of the result.
pub(super) fn data_of(row: &Row, place: usize) -> Vec<u8> {
    row.get::<_, &str>(place).as_bytes().to_vec()
}

/// Returns the parameters, the names and the conditions of a join with arrays of values.
fn joined(columns: &Columns, places: &[usize], first: usize) -> (String, String, String) {
    let (mut casts, mut names, mut equal) = (Vec::new(), Vec::new(), Vec::new());
    for (number, column) in columns.at(places).enumerate() {
        casts.push(format!("${}::{}[]", first + number, column.sql_type()));
        names.push(format!("c{number}"));
        equal.push(format!("t.{} = k.c{number}", quoted(&column.name)));
    }
    (casts.join(", "), names.join(", "), equal.join(" AND "))
}

pub(super) fn has_nul(value: &SqlValue) -> bool {
    matches!(value, SqlValue::Text(text) if text.contains('\0'))
}

/// Writes changed rows.
pub(super) async fn write(
    client: &Object,
    schema: &Schema,
    write: &RowsWrite,
) -> Result<(), ViewError> {
    let columns = Columns::of(&write.table.definition)?;
    let name = schema.table(columns.view, write.table.number);
    // Rows may swap values that only one may have: all of them are taken out before.
    let is_unique = columns.indexes.iter().any(|index| index.is_unique);
    let removed = write
        .rows
        .iter()
        .filter(|change| is_unique || change.row.is_none());
    let removed: Vec<_> = removed.collect();
    for removed in removed.chunks(ROWS) {
        remove(client, &columns, &name, removed).await?;
    }
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for change in &write.rows {
        let Some(row) = &change.row else {
            continue;
        };
        bytes += row.json.len();
        batch.push((change, row));
        if batch.len() == ROWS || bytes > BYTES {
            insert(client, &columns, &name, &batch).await?;
            batch.clear();
            bytes = 0;
        }
    }
    insert(client, &columns, &name, &batch).await
}

async fn remove(
    client: &Object,
    columns: &Columns,
    name: &str,
    changes: &[&RowChange],
) -> Result<(), ViewError> {
    let mut arrays = vec![Vec::new(); columns.key.len()];
    for change in changes {
        let read = columns.read(&columns.key, &change.key)?;
        if read.iter().any(has_nul) {
            continue;
        }
        for (array, value) in arrays.iter_mut().zip(read) {
            array.push(value);
        }
    }
    let (casts, names, equal) = joined(columns, &columns.key, 1);
    let sql = format!("DELETE FROM {name} t USING unnest({casts}) AS k({names}) WHERE {equal}");
    let statement = prepared(client, &sql).await?;
    let parameters: Vec<_> = arrays
        .iter()
        .map(|array| array as &(dyn ToSql + Sync))
        .collect();
    let removed = client.execute(&statement, &parameters).await;
    removed.map(drop).map_err(failed("remove rows"))
}

async fn insert(
    client: &Object,
    columns: &Columns,
    name: &str,
    changes: &[(&RowChange, &NewRow)],
) -> Result<(), ViewError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut arrays = vec![Vec::new(); columns.all.len()];
    let mut rows = Vec::new();
    for (change, new) in changes {
        let mut row = vec![SqlValue::Null; columns.all.len()];
        let of_key = (&columns.key, &change.key);
        let of_indexes = columns
            .indexes
            .iter()
            .map(|index| &index.columns)
            .zip(&new.values);
        for (places, bytes) in [of_key].into_iter().chain(of_indexes) {
            let read = columns.read(places, bytes)?;
            for (place, value) in places.iter().zip(read) {
                check_value(columns, change, &columns.all[*place].name, &value)?;
                row[*place] = value;
            }
        }
        for (array, value) in arrays.iter_mut().zip(row) {
            array.push(value);
        }
        rows.push(text_of(columns, change, &new.json)?);
    }
    let casts = columns.all.iter().enumerate();
    let casts: Vec<_> = casts
        .map(|(number, column)| format!("${}::{}[]", number + 1, column.sql_type()))
        .collect();
    let names: Vec<_> = columns
        .all
        .iter()
        .map(|column| quoted(&column.name))
        .collect();
    let from: Vec<_> = (0..columns.all.len())
        .map(|number| format!("c{number}"))
        .collect();
    let key: Vec<_> = columns
        .at(&columns.key)
        .map(|column| quoted(&column.name))
        .collect();
    let (data, last) = (quoted(columns.data), columns.all.len() + 1);
    let set = names
        .iter()
        .filter(|name| !key.contains(name))
        .chain([&data]);
    let set: Vec<_> = set
        .map(|name| format!("{name} = EXCLUDED.{name}"))
        .collect();
    let sql = format!(
        "INSERT INTO {name} ({names}, {data}) \
         SELECT {from}, r::json FROM unnest({casts}, ${last}::text[]) AS k({from}, r) \
         ON CONFLICT ({key}) DO UPDATE SET {set}",
        names = names.join(", "),
        from = from.join(", "),
        casts = casts.join(", "),
        key = key.join(", "),
        set = set.join(", "),
    );
    let statement = prepared(client, &sql).await?;
    let mut parameters: Vec<_> = arrays
        .iter()
        .map(|array| array as &(dyn ToSql + Sync))
        .collect();
    parameters.push(&rows);
    let written = client.execute(&statement, &parameters).await;
    written.map(drop).map_err(failed("write rows"))
}

fn check_value(
    columns: &Columns,
    change: &RowChange,
    column: &str,
    value: &SqlValue,
) -> Result<(), ViewError> {
    let reason = match value {
        value if has_nul(value) => format!(
            "its field \"{column}\" has the character NUL, which PostgreSQL has not; give it a text without NUL"
        ),
        SqlValue::Timestamp(i64::MAX) => format!(
            "its field \"{column}\" is after the year 294276, where the times of PostgreSQL end; give it an earlier time"
        ),
        _ => return Ok(()),
    };
    Err(refused(columns, change, reason))
}

/// Returns a row as text. The server must be able to show it as `jsonb`.
fn text_of<'a>(
    columns: &Columns,
    change: &RowChange,
    json: &'a [u8],
) -> Result<&'a str, ViewError> {
    let text = str::from_utf8(json).map_err(|error| StoreError::Backend {
        action: "write rows",
        cause: error.into(),
    })?;
    match why_not_jsonb(json) {
        None => Ok(text),
        Some(reason) => Err(refused(columns, change, reason.to_owned())),
    }
}

/// Returns why JSON cannot be `jsonb`.
fn why_not_jsonb(json: &[u8]) -> Option<&'static str> {
    let mut rest = json;
    let mut is_text = false;
    while let Some(byte) = rest.split_off_first() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' => {
                if rest.starts_with(b"u0000") {
                    return Some(
                        "a text in it has the character NUL, which PostgreSQL has not; give it texts without NUL",
                    );
                }
                rest = rest.get(1..).unwrap_or_default();
            }
            b'e' | b'E' if !is_text => {
                let digits = rest.iter().skip_while(|byte| matches!(byte, b'+' | b'-'));
                if digits.take_while(|byte| byte.is_ascii_digit()).count() > 4 {
                    return Some(
                        "a number in it has an exponent beyond those of `jsonb`; give it a smaller number, or write it as a text",
                    );
                }
            }
            _ => {}
        }
    }
    None
}

fn refused(columns: &Columns, change: &RowChange, reason: String) -> ViewError {
    ViewError::Refused {
        view: columns.view.to_owned(),
        key: change.key.escape_ascii().to_string(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_does_not_have_is_found() {
        for fine in [
            r#"{"e":1e308,"t":"true e99999 \\u0000"}"#,
            "[]",
            "1E-300",
            "true",
        ] {
            assert_eq!(why_not_jsonb(fine.as_bytes()), None, "{fine}");
        }
        for other in [
            r#"{"a":"\u0000"}"#,
            r#"["\\\u0000"]"#,
            "[1e99999]",
            "1E+99999",
        ] {
            assert!(why_not_jsonb(other.as_bytes()).is_some(), "{other}");
        }
    }
}
