//! What a group writes, as columns: each table gets all of its rows in one statement.

use crate::rows::signed;
use crate::statements::Statements;
use deadpool_postgres::Object;
use midgard::event::NewEvent;
use midgard::store::{EntryWrite, StreamState};
use midgard::{Position, Timestamp, Version};
use std::collections::BTreeMap;
use std::time::SystemTime;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

/// The rows of new events.
#[derive(Default)]
pub(super) struct EventColumns<'a> {
    positions: Vec<i64>,
    streams: Vec<&'a str>,
    versions: Vec<i64>,
    ids: Vec<Uuid>,
    names: Vec<&'a str>,
    schema_versions: Vec<i64>,
    codecs: Vec<i16>,
    payloads: Vec<&'a [u8]>,
    tags: Vec<&'a [u8]>,
    headers: Vec<&'a [u8]>,
    correlation_ids: Vec<Option<Uuid>>,
    causation_ids: Vec<Option<Uuid>>,
    of_tags: TagColumns<'a>,
}

/// The rows of tags.
#[derive(Default)]
pub(super) struct TagColumns<'a> {
    pub(super) tags: Vec<&'a str>,
    pub(super) names: Vec<&'a str>,
    pub(super) positions: Vec<i64>,
}

impl<'a> EventColumns<'a> {
    pub(super) fn push(
        &mut self,
        event: &'a NewEvent,
        stream: &'a str,
        position: Position,
        version: Version,
    ) {
        let position = signed(position.get());
        self.positions.push(position);
        self.streams.push(stream);
        self.versions.push(signed(version.get()));
        self.ids.push(event.id.into());
        self.names.push(&event.name);
        self.schema_versions.push(event.schema_version.into());
        self.codecs.push(event.codec.code().into());
        self.payloads.push(&event.payload);
        self.tags.push(event.tags.view().as_bytes());
        self.headers.push(event.metadata.headers().as_bytes());
        self.correlation_ids
            .push(event.metadata.correlation_id().map(Uuid::from));
        self.causation_ids
            .push(event.metadata.causation_id().map(Uuid::from));
        let first = self.of_tags.tags.len();
        for tag in event.tags.view() {
            // A tag may be there twice, and is looked for only once.
            if !self.of_tags.tags[first..].contains(&tag) {
                self.of_tags.tags.push(tag);
                self.of_tags.names.push(&event.name);
                self.of_tags.positions.push(position);
            }
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}

/// The rows of changed streams.
#[derive(Default)]
pub(super) struct StreamColumns<'a> {
    names: Vec<&'a str>,
    versions: Vec<i64>,
    firsts: Vec<i64>,
    tombstoned: Vec<bool>,
}

impl<'a> StreamColumns<'a> {
    pub(super) fn push(&mut self, name: &'a str, state: StreamState) {
        self.names.push(name);
        self.versions.push(signed(state.last.get()));
        self.firsts.push(signed(state.first.get()));
        self.tombstoned.push(state.tombstoned);
    }
}

/// The rows of changed entries.
#[derive(Default)]
pub(super) struct EntryColumns<'a>(BTreeMap<&'a [u8], Option<&'a [u8]>>);

impl<'a> EntryColumns<'a> {
    /// Adds changes, which replace earlier ones of the same entries.
    pub(super) fn extend(&mut self, write: &'a EntryWrite) {
        self.0.extend(write.changes().iter());
    }

    /// Returns the change of an entry.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<&'a [u8]>> {
        self.0.get(key).copied()
    }

    fn set(&self) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
        let changes = self.0.iter();
        changes
            .filter_map(|(key, value)| Some((*key, (*value)?)))
            .unzip()
    }

    fn removed(&self) -> Vec<&'a [u8]> {
        let changes = self.0.iter().filter(|(_, value)| value.is_none());
        changes.map(|(key, _)| *key).collect()
    }
}

/// Everything that a transaction writes.
pub(super) struct Written<'a> {
    pub(super) events: EventColumns<'a>,
    pub(super) streams: StreamColumns<'a>,
    pub(super) entries: EntryColumns<'a>,
    /// The end of the log, if it moves.
    pub(super) end: Option<(Position, Timestamp)>,
}

impl Written<'_> {
    /// Sends all rows and the commit at once, and waits until they are on the disk. The commit fails if any of the
    /// rows does.
    pub(super) async fn commit(
        &self,
        client: &Object,
        statements: &Statements,
    ) -> Result<(), Error> {
        let Written {
            events,
            streams,
            entries,
            end,
        } = self;
        let of_tags = &events.of_tags;
        let (keys, values) = entries.set();
        let removed = entries.removed();
        // All of this before the first row is sent: what is sent must arrive in order, the commit last.
        let insert_events = prepare(client, &statements.insert_events, !events.is_empty()).await?;
        let insert_tags =
            prepare(client, &statements.insert_tags, !of_tags.tags.is_empty()).await?;
        let set_streams =
            prepare(client, &statements.set_streams, !streams.names.is_empty()).await?;
        let set_entries = prepare(client, &statements.set_entries, !keys.is_empty()).await?;
        let remove_entries =
            prepare(client, &statements.remove_entries, !removed.is_empty()).await?;
        let move_log = prepare(client, &statements.move_log, end.is_some()).await?;
        let (position, time) = end.unwrap_or_default();
        let (position, time) = (signed(position.get()), system_time(time));

        let write_events = async {
            let Some(statement) = &insert_events else {
                return Ok(0);
            };
            let EventColumns {
                positions,
                streams,
                versions,
                ids,
                names,
                schema_versions,
                codecs,
                payloads,
                tags,
                headers,
                correlation_ids,
                causation_ids,
                of_tags: _,
            } = events;
            client
                .execute(
                    statement,
                    &[
                        positions,
                        streams,
                        versions,
                        ids,
                        names,
                        schema_versions,
                        codecs,
                        payloads,
                        tags,
                        headers,
                        correlation_ids,
                        causation_ids,
                        &time,
                    ],
                )
                .await
        };
        let write_tags = async {
            match &insert_tags {
                Some(statement) => {
                    let TagColumns {
                        tags,
                        names,
                        positions,
                    } = of_tags;
                    client.execute(statement, &[tags, names, positions]).await
                }
                None => Ok(0),
            }
        };
        let write_streams = async {
            match &set_streams {
                Some(statement) => {
                    let StreamColumns {
                        names,
                        versions,
                        firsts,
                        tombstoned,
                    } = streams;
                    client
                        .execute(statement, &[names, versions, firsts, tombstoned])
                        .await
                }
                None => Ok(0),
            }
        };
        let write_entries = async {
            match &set_entries {
                Some(statement) => client.execute(statement, &[&keys, &values]).await,
                None => Ok(0),
            }
        };
        let forget_entries = async {
            match &remove_entries {
                Some(statement) => client.execute(statement, &[&removed]).await,
                None => Ok(0),
            }
        };
        let write_end = async {
            match &move_log {
                Some(statement) => client.execute(statement, &[&position, &time]).await,
                None => Ok(0),
            }
        };
        // Each sends when it is polled for the first time, which happens in this order.
        let rows = futures_util::future::try_join4(
            write_events,
            write_tags,
            write_streams,
            futures_util::future::try_join3(write_entries, forget_entries, write_end),
        );
        futures_util::future::try_join(rows, client.batch_execute("COMMIT")).await?;
        Ok(())
    }
}

/// Prepares a statement if it is needed.
async fn prepare(client: &Object, sql: &str, is_needed: bool) -> Result<Option<Statement>, Error> {
    match is_needed {
        true => client.prepare_cached(sql).await.map(Some),
        false => Ok(None),
    }
}

/// Returns a time as PostgreSQL stores it.
pub(super) fn system_time(time: Timestamp) -> SystemTime {
    time.to_system_time().unwrap_or(SystemTime::UNIX_EPOCH)
}
