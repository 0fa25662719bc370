//! The SQL of a store, with the name of its schema.

use midgard::Event;
use midgard::store::StreamTombstoned;

/// The columns of an event, as `rows.rs` reads them.
pub(crate) const COLUMNS: &str = "e.position, e.stream, e.version, e.id, e.time, e.name, e.schema_version, e.codec, e.payload, e.tags, e.headers, e.correlation_id, e.causation_id";

/// The statements whose text is always the same.
#[derive(Debug)]
pub(crate) struct Statements {
    schema: String,
    pub(crate) last_position: String,
    pub(crate) stream_state: String,
    pub(crate) stream_forward: String,
    pub(crate) stream_backward: String,
    pub(crate) log_forward: String,
    pub(crate) log_backward: String,
    pub(crate) lock: String,
    pub(crate) states: String,
    pub(crate) holders: String,
    pub(crate) known: String,
    pub(crate) first_after: String,
    pub(crate) entries_of: String,
    pub(crate) insert_events: String,
    pub(crate) insert_tags: String,
    pub(crate) set_streams: String,
    pub(crate) set_entries: String,
    pub(crate) remove_entries: String,
    pub(crate) move_log: String,
    pub(crate) remove_events: String,
    pub(crate) remove_tags: String,
    pub(crate) insert_tombstone: String,
}

impl Statements {
    pub(crate) fn new(schema: &str) -> Self {
        let schema = quoted(schema);
        let tombstone = tombstone();
        let sql = |text: &str| in_schema(text, &schema);
        let in_stream = |order: &str, compared: &str| {
            sql(&format!(
                "SELECT {COLUMNS} FROM midgard.events e \
                 WHERE e.stream = $1 AND e.version {compared} $2 AND e.name <> {tombstone} \
                 ORDER BY e.version {order} LIMIT $3"
            ))
        };
        let in_log = |order: &str| {
            sql(&format!(
                "SELECT {COLUMNS} FROM midgard.events e \
                 WHERE e.position BETWEEN $1 AND $2 AND ($4 OR e.name <> {tombstone}) \
                 ORDER BY e.position {order} LIMIT $3"
            ))
        };
        Statements {
            last_position: sql("SELECT position FROM midgard.log"),
            stream_state: sql(
                "SELECT name, version, first, tombstoned FROM midgard.streams WHERE name = $1",
            ),
            stream_forward: in_stream("ASC", ">="),
            stream_backward: in_stream("DESC", "<="),
            log_forward: in_log("ASC"),
            log_backward: in_log("DESC"),
            lock: sql("SELECT position, time FROM midgard.log FOR UPDATE"),
            states: sql(
                "SELECT name, version, first, tombstoned FROM midgard.streams WHERE name = ANY($1::text[])",
            ),
            holders: sql(&format!(
                "SELECT id, stream, version, position FROM midgard.events \
                 WHERE id = ANY($1::uuid[]) AND position > $2 AND name <> {tombstone} \
                 ORDER BY position"
            )),
            known: sql(
                "SELECT e.stream, e.version, e.id, e.position, e.name, e.schema_version, e.codec, \
                 CASE WHEN e.id = ANY($4::uuid[]) THEN e.payload END \
                 FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS asked(stream, first, last) \
                 JOIN midgard.events e \
                 ON e.stream = asked.stream AND e.version BETWEEN asked.first AND asked.last",
            ),
            first_after: sql(&format!(
                "SELECT $1::bigint, position FROM midgard.events \
                 WHERE position > $2 AND ($3 OR name <> {tombstone}) \
                 ORDER BY position LIMIT 1"
            )),
            entries_of: sql("SELECT key, value FROM midgard.entries WHERE key = ANY($1::bytea[])"),
            insert_events: sql(
                "INSERT INTO midgard.events (position, stream, version, id, time, name, schema_version, codec, payload, tags, headers, correlation_id, causation_id) \
                 SELECT n.position, n.stream, n.version, n.id, $13::timestamptz, n.name, n.schema_version, n.codec, n.payload, n.tags, n.headers, n.correlation_id, n.causation_id \
                 FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[], $7::smallint[], $8::bytea[], $9::bytea[], $10::bytea[], $11::uuid[], $12::uuid[]) \
                 AS n(position, stream, version, id, name, schema_version, codec, payload, tags, headers, correlation_id, causation_id)",
            ),
            insert_tags: sql("INSERT INTO midgard.tags (tag, name, position) \
                 SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])"),
            set_streams: sql(
                "INSERT INTO midgard.streams (name, version, first, tombstoned) \
                 SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::boolean[]) \
                 ON CONFLICT (name) DO UPDATE SET version = excluded.version, first = excluded.first, tombstoned = excluded.tombstoned",
            ),
            set_entries: sql("INSERT INTO midgard.entries (key, value) \
                 SELECT * FROM unnest($1::bytea[], $2::bytea[]) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value"),
            remove_entries: sql("DELETE FROM midgard.entries WHERE key = ANY($1::bytea[])"),
            move_log: sql("UPDATE midgard.log SET position = $1, time = $2"),
            remove_events: sql(
                "DELETE FROM midgard.events WHERE stream = $1 AND version BETWEEN $2 AND $3 \
                 RETURNING position, tags",
            ),
            remove_tags: sql("DELETE FROM midgard.tags WHERE (tag, position) IN \
                 (SELECT * FROM unnest($1::text[], $2::bigint[]))"),
            insert_tombstone: sql(
                "INSERT INTO midgard.events (position, stream, version, id, time, name, schema_version, codec, payload, tags, headers) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', '')",
            ),
            schema,
        }
    }

    /// Returns a statement with the name of the schema.
    pub(crate) fn in_schema(&self, text: &str) -> String {
        in_schema(text, &self.schema)
    }
}

/// Returns SQL with the tables in another schema, whose name is quoted.
pub(crate) fn in_schema(text: &str, schema: &str) -> String {
    // The name of a tombstone begins like the schema, but is followed by other words.
    let mut sql = text.to_owned();
    for table in ["about", "log", "streams", "events", "tags", "entries"] {
        sql = sql.replace(&format!("midgard.{table}"), &format!("{schema}.{table}"));
    }
    sql
}

/// Returns the name of tombstones, as SQL.
pub(crate) fn tombstone() -> String {
    format!("'{}'", StreamTombstoned::NAME)
}

/// Returns a name as SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
