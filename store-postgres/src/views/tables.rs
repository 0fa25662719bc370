//! Tables of generations: how they are created, shown under the names of their views, and removed.

use super::columns::{Columns, quoted};
use super::error::failed;
use super::names::{Schema, check_view};
use deadpool_postgres::Object;
use midgard::view::ViewError;
use midgard::view::database::{TableChange, TableRef};

/// How long a change of tables waits for queries that use them, in milliseconds. Whoever comes later waits for it meanwhile.
const LOCK_TIMEOUT: u32 = 3000;

/// Makes changes of tables, in a transaction that has begun.
pub(super) async fn change(
    client: &Object,
    schema: &Schema,
    changes: &[TableChange],
) -> Result<(), ViewError> {
    if changes.is_empty() {
        return Ok(());
    }
    let limit = format!("SET LOCAL lock_timeout = {LOCK_TIMEOUT}");
    client
        .batch_execute(&limit)
        .await
        .map_err(failed("change tables"))?;
    for change in changes {
        match change {
            TableChange::Create(table) => create(client, schema, table).await?,
            TableChange::Show(table) => show(client, schema, table).await?,
            TableChange::Hide { view } => {
                run(client, &format!("DROP VIEW IF EXISTS {}", schema.of(view))).await?;
            }
            TableChange::Drop { view, number } => {
                let table = schema.table(view, *number);
                run(client, &format!("DROP TABLE IF EXISTS {table}")).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn run(client: &Object, sql: &str) -> Result<(), ViewError> {
    client
        .batch_execute(sql)
        .await
        .map_err(failed("change tables"))
}

async fn create(client: &Object, schema: &Schema, table: &TableRef) -> Result<(), ViewError> {
    let (view, number) = (table.definition.view, table.number);
    check_view(view, number)?;
    let columns = Columns::of(&table.definition)?;
    run(client, &definition(&columns, &schema.table(view, number))).await
}

/// Returns the statements that create a table and its indexes.
fn definition(columns: &Columns, table: &str) -> String {
    let names = |places: &[usize]| {
        let names = columns.at(places).map(|column| quoted(&column.name));
        names.collect::<Vec<_>>().join(", ")
    };
    let mut sql = format!("CREATE TABLE {table} (");
    for column in &columns.all {
        let collation = match column.sql_type() {
            "text" => " COLLATE \"C\"",
            _ => "",
        };
        let null = if column.is_nullable { "" } else { " NOT NULL" };
        let (name, sql_type) = (quoted(&column.name), column.sql_type());
        sql.push_str(&format!("{name} {sql_type}{collation}{null}, "));
    }
    // As a text: rows must come back with the digits and the order in which they were written.
    let (data, key) = (quoted(columns.data), names(&columns.key));
    sql.push_str(&format!("{data} json NOT NULL, PRIMARY KEY ({key}));\n"));
    for (number, index) in columns.indexes.iter().enumerate() {
        let order = if index.is_unique {
            index.columns.clone()
        } else {
            columns.order(Some(number))
        };
        let sorted = columns.at(&order).map(|column| {
            let nulls = if column.is_nullable {
                " NULLS FIRST"
            } else {
                ""
            };
            format!("{}{nulls}", quoted(&column.name))
        });
        let sorted = sorted.collect::<Vec<_>>().join(", ");
        let unique = if index.is_unique { "UNIQUE " } else { "" };
        sql.push_str(&format!("CREATE {unique}INDEX ON {table} ({sorted});\n"));
    }
    sql
}

/// Shows a table under the name of its view. What others were granted on the view, they keep.
async fn show(client: &Object, schema: &Schema, table: &TableRef) -> Result<(), ViewError> {
    let (view, number) = (table.definition.view, table.number);
    let columns = Columns::of(&table.definition)?;
    let data = quoted(columns.data);
    let (key, others): (Vec<_>, Vec<_>) =
        (0..columns.all.len()).partition(|place| columns.key.contains(place));
    let names = |places: &[usize]| {
        let names = columns.at(places).map(|column| quoted(&column.name));
        names.collect::<Vec<_>>()
    };
    let mut selected = names(&key);
    selected.push(format!("{data}::jsonb AS {data}"));
    selected.extend(names(&others));
    let (name, from) = (schema.of(view), schema.table(view, number));
    let select = format!("SELECT {} FROM {from}", selected.join(", "));

    let before = shape(client, schema, view).await?;
    let after: Vec<_> = columns
        .at(&key)
        .map(|column| (column.name.clone(), column.sql_type()))
        .chain([(columns.data.to_owned(), "jsonb")])
        .chain(
            columns
                .at(&others)
                .map(|column| (column.name.clone(), column.sql_type())),
        )
        .collect();
    // A view can be replaced by one that has further columns behind those that it had.
    let is_extended = before.len() <= after.len()
        && before
            .iter()
            .zip(&after)
            .all(|(before, after)| before.0 == after.0 && before.1 == after.1);
    if is_extended {
        return run(
            client,
            &format!("CREATE OR REPLACE VIEW {name} AS {select}"),
        )
        .await;
    }
    let grants = grants(client, schema, view).await?;
    run(
        client,
        &format!("DROP VIEW {name}; CREATE VIEW {name} AS {select}; {grants}"),
    )
    .await
}

/// Returns the columns of a view as it is shown, with their types.
async fn shape(
    client: &Object,
    schema: &Schema,
    view: &str,
) -> Result<Vec<(String, String)>, ViewError> {
    let sql = "SELECT a.attname::text, format_type(a.atttypid, NULL) \
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
        WHERE quote_ident(n.nspname) IN ($1, btrim($1, '\"')) AND c.relname = $2 AND a.attnum > 0 ORDER BY a.attnum";
    let rows = client.query(sql, &[&schema.name(), &view]).await;
    let rows = rows.map_err(failed("change tables"))?;
    let named = rows.iter().map(|row| {
        let sql_type: String = row.get(1);
        let sql_type = match sql_type.as_str() {
            "timestamp with time zone" => "timestamptz".to_owned(),
            _ => sql_type,
        };
        (row.get(0), sql_type)
    });
    Ok(named.collect())
}

/// Returns statements that grant again what others were granted on a view.
async fn grants(client: &Object, schema: &Schema, view: &str) -> Result<String, ViewError> {
    let sql = "SELECT grantee::text, privilege_type::text, is_grantable::text \
        FROM information_schema.role_table_grants \
        WHERE quote_ident(table_schema) IN ($1, btrim($1, '\"')) AND table_name = $2 AND grantee <> grantor";
    let rows = client.query(sql, &[&schema.name(), &view]).await;
    let rows = rows.map_err(failed("change tables"))?;
    let name = schema.of(view);
    let statements = rows.iter().map(|row| {
        let (grantee, right): (String, String) = (row.get(0), row.get(1));
        let grantee = match grantee.as_str() {
            "PUBLIC" => grantee,
            _ => quoted(&grantee),
        };
        let option = match row.get::<_, String>(2).as_str() {
            "YES" => " WITH GRANT OPTION",
            _ => "",
        };
        format!("GRANT {right} ON {name} TO {grantee}{option}; ")
    });
    Ok(statements.collect())
}
