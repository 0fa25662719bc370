//! Ends of streams: truncations and tombstones.

use super::columns::{EntryColumns, EventColumns, StreamColumns, Written, system_time};
use super::group::{Groups, LogEnd, abandon};
use super::work::End;
use crate::error::{self, Failure};
use crate::rows::{self, signed};
use deadpool_postgres::Object;
use midgard::event::TagsRef;
use midgard::store::rules::{self, Facts, Holder};
use midgard::store::{AppendError, Query, StoreError, StreamState, StreamTombstoned};
use midgard::{EventId, Position, StreamName, Timestamp, Version};
use tokio_postgres::Error;
use uuid::Uuid;

/// How many events are removed by one statement.
const AT_ONCE: u64 = 2048;

impl Groups {
    /// Ends or truncates a stream in one transaction. The outer error is of the store, the inner one of the rules.
    pub(super) async fn end_once(&mut self, end: &End) -> Result<Result<(), AppendError>, Failure> {
        let client = self.connection().await?;
        let written = match self.remove(&client, end).await {
            Ok(Ok(Some(written))) => written,
            Ok(Ok(None)) => {
                let nothing = Failure::Lost(String::new());
                abandon(client, nothing).await;
                return Ok(Ok(()));
            }
            Ok(Err(refused)) => {
                let nothing = Failure::Lost(String::new());
                abandon(client, nothing).await;
                return Ok(Err(refused));
            }
            Err(failure) => return Err(abandon(client, failure).await),
        };
        self.commit(client, &written).await?;
        Ok(Ok(()))
    }

    /// Removes the events, and returns what else is to be written; `None` when nothing changes.
    async fn remove<'a>(
        &mut self,
        client: &Object,
        end: &'a End,
    ) -> Result<Result<Option<Written<'a>>, AppendError>, Failure> {
        let LogEnd { position, time } = self.lock(client).await?;
        let failed = |error: Error| error::failure("end a stream", &error);
        let name = end.stream.as_str();
        let statement = client.prepare_cached(&self.statements.stream_state).await;
        let statement = statement.map_err(failed)?;
        let row = client
            .query_opt(&statement, &[&name])
            .await
            .map_err(failed)?;
        let state = row.as_ref().map_or(Ok(StreamState::NONE), rows::state);
        let state = state.map_err(|error| Failure::Refused {
            action: "end a stream",
            reason: error.to_string(),
        })?;
        let state = match rules::decide_end(&end.stream, end.expected, &mut OneStream(state)) {
            Ok(state) => state,
            Err(refused) => return Ok(Err(refused)),
        };
        let (first, ended) = after(state, end.before);
        if ended == state {
            return Ok(Ok(None));
        }
        self.remove_events(client, name, state.first, first)
            .await
            .map_err(failed)?;
        let (position, time) = (position.next(), self.time_after(time));
        if ended.tombstoned {
            self.write_tombstone(client, end, ended, position, time)
                .await
                .map_err(failed)?;
        }
        let mut streams = StreamColumns::default();
        streams.push(name, ended);
        Ok(Ok(Some(Written {
            events: EventColumns::default(),
            streams,
            entries: EntryColumns::default(),
            // The end of a stream takes a position of its own, in every store.
            end: Some((position, time)),
        })))
    }

    /// Removes the events of a stream from version `from` up to the one before `to`, with their tags.
    async fn remove_events(
        &self,
        client: &Object,
        stream: &str,
        from: Version,
        to: Version,
    ) -> Result<(), Error> {
        let remove_events = client
            .prepare_cached(&self.statements.remove_events)
            .await?;
        let remove_tags = client.prepare_cached(&self.statements.remove_tags).await?;
        let mut next = from.get();
        while next < to.get() {
            let last = (next + AT_ONCE).min(to.get()) - 1;
            let removed = client
                .query(&remove_events, &[&stream, &signed(next), &signed(last)])
                .await?;
            let (mut tags, mut positions) = (Vec::new(), Vec::new());
            for row in &removed {
                let position: i64 = row.try_get(0)?;
                // Damaged tags are found by nobody.
                let of_event = TagsRef::from_bytes(row.try_get(1)?).unwrap_or_default();
                for tag in of_event {
                    tags.push(tag);
                    positions.push(position);
                }
            }
            if !tags.is_empty() {
                client.execute(&remove_tags, &[&tags, &positions]).await?;
            }
            next = last + 1;
        }
        Ok(())
    }

    async fn write_tombstone(
        &self,
        client: &Object,
        end: &End,
        state: StreamState,
        position: Position,
        time: Timestamp,
    ) -> Result<(), Error> {
        let stream = end.stream.clone();
        let tombstone =
            StreamTombstoned::recorded(stream, state.last, position, EventId::new(), time);
        let statement = client
            .prepare_cached(&self.statements.insert_tombstone)
            .await?;
        client
            .execute(
                &statement,
                &[
                    &signed(position.get()),
                    &tombstone.stream.as_str(),
                    &signed(tombstone.version.get()),
                    &Uuid::from(tombstone.id),
                    &system_time(time),
                    &tombstone.name,
                    &i64::from(tombstone.schema_version),
                    &i16::from(tombstone.codec.code()),
                    &tombstone.payload,
                ],
            )
            .await?;
        Ok(())
    }
}

/// Returns the first version that is kept, and the state of the stream afterwards.
fn after(state: StreamState, before: Option<Version>) -> (Version, StreamState) {
    let end = state.last.next();
    match before {
        Some(before) => {
            let first = before.min(end).max(state.first);
            (first, StreamState { first, ..state })
        }
        None => {
            let tombstoned = true;
            (
                end,
                StreamState {
                    tombstoned,
                    ..state
                },
            )
        }
    }
}

/// The facts about a single stream, of which only the state is asked.
struct OneStream(StreamState);

impl Facts for OneStream {
    fn state(&mut self, _: &StreamName) -> Result<StreamState, StoreError> {
        Ok(self.0)
    }

    fn event_at(
        &mut self,
        _: &StreamName,
        _: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        Ok(None)
    }

    fn read_event(
        &mut self,
        _: &StreamName,
        _: Position,
        _: &mut dyn FnMut(midgard::event::RecordedEventRef<'_>),
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn holder(&mut self, _: &StreamName, _: EventId) -> Result<Option<Holder>, StoreError> {
        Ok(None)
    }

    fn first_match(&mut self, _: &Query, _: Position) -> Result<Option<Position>, StoreError> {
        Ok(None)
    }

    fn entry_is(&mut self, _: &[u8], _: Option<&[u8]>) -> Result<bool, StoreError> {
        Ok(false)
    }
}
