//! A selection, as the statements that read it.

use super::columns::Columns;
use super::database::Database;
use super::range::{self, End, Sql, between};
use super::value::SqlValue;
use deadpool_postgres::Object;
use midgard::View;
use midgard::view::database::{RowRange, TableRef, cursor_position};
use midgard::view::{KeyBytes, KeyOf, Select, ViewError};

/// A selection that is being read.
pub(super) struct Reading<'a, V> {
    database: &'a Database,
    client: &'a Object,
    number: u32,
    columns: Columns,
    order: Vec<usize>,
    range: RowRange,
    lower: Option<End>,
    upper: Option<End>,
    select: &'a Select<V>,
}

impl<'a, V: View> Reading<'a, V> {
    pub(super) async fn new(
        database: &'a Database,
        client: &'a Object,
        table: &TableRef,
        select: &'a Select<V>,
    ) -> Result<Self, ViewError> {
        let columns = Columns::of(&table.definition)?;
        let range = select.range();
        let order = columns.order(range.index);
        let position = cursor_position(select)?;
        let mut reading = Reading {
            lower: range::lower(&columns, &order, &range.from),
            upper: range::upper(&columns, &order, &range.to),
            database,
            client,
            number: table.number,
            columns,
            order,
            range,
            select,
        };
        if let Some(position) = position {
            let index = reading.range.index;
            let values = match range::split(&reading.columns, index, &position) {
                Some(parts) => range::place(&reading.columns, index, parts),
                None => reading.found(&position).await?,
            };
            reading.continue_at(values);
        }
        Ok(reading)
    }

    /// Returns the place of a cursor where nobody knows how long the value of the index is. No value is the beginning of another:
    /// if a row still has the value, it is the last one before the bytes.
    async fn found(&self, bytes: &[u8]) -> Result<Option<Vec<SqlValue>>, ViewError> {
        let index = self
            .range
            .index
            .and_then(|index| self.columns.indexes.get(index));
        let (database, client) = (self.database, self.client);
        let column = index.and_then(|index| self.columns.at(&index.columns).next());
        let Some(column) = column else {
            return Ok(None);
        };
        let before = database
            .last_value(client, (&self.columns, self.number), column, bytes)
            .await?;
        Ok(match before {
            Some(value) if bytes.starts_with(&value) => {
                let parts = bytes.split_at(value.len());
                range::place(&self.columns, self.range.index, parts)
            }
            _ => Some(vec![SqlValue::Bytes(bytes.to_vec())]),
        })
    }

    /// Continues after a row.
    pub(super) fn continue_after(&mut self, row: &V) {
        let (mut value, mut key) = (KeyBytes::new(), KeyBytes::new());
        if let Some(index) = self.range.index.and_then(|index| V::INDEXES.get(index)) {
            (index.encode)(row, &mut value);
        }
        row.encode_key(&mut key);
        let parts = (value.as_bytes(), key.as_bytes());
        let values = range::place(&self.columns, self.range.index, parts);
        self.continue_at(values);
    }

    fn continue_at(&mut self, values: Option<Vec<SqlValue>>) {
        // Without a place there are no further rows.
        let end = Some(End {
            values: values.unwrap_or_default(),
            is_included: false,
        });
        match self.range.is_reverse {
            false => self.lower = end,
            true => self.upper = end,
        }
    }

    fn sql(&self) -> Sql {
        let ends = (self.lower.as_ref(), self.upper.as_ref());
        between(&self.columns, &self.order, ends, self.range.is_reverse)
    }

    /// Reads the next rows, filtered or not: as many as the limit, if there are so many.
    pub(super) async fn rows(&self, limit: Option<usize>) -> Result<Vec<V>, ViewError> {
        let rows = self
            .database
            .select(self.client, &self.columns, self.number, self.sql(), limit)
            .await?;
        rows.iter().map(|row| decode(row)).collect()
    }

    /// Counts the rows, without the filter.
    pub(super) async fn count(&self, limit: Option<usize>) -> Result<u64, ViewError> {
        let (database, client) = (self.database, self.client);
        database
            .count(client, &self.columns, self.number, self.sql(), limit)
            .await
    }

    pub(super) fn passes(&self, row: &V) -> bool {
        self.select.passes(row)
    }
}

pub(super) fn decode<V: View>(json: &[u8]) -> Result<V, ViewError> {
    V::__from_json(json).map_err(|error| ViewError::Damaged {
        view: V::NAME,
        key: "that was read".to_owned(),
        reason: error.to_string(),
    })
}

pub(super) fn key_bytes<V: View>(key: &impl KeyOf<V::Key>) -> Vec<u8> {
    let mut bytes = KeyBytes::new();
    key.encode_key(V::KEY.encode, &mut bytes);
    bytes.as_bytes().to_vec()
}
