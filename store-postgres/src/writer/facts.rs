//! What the rules ask about a group, answered by a few queries for all of it.

use super::columns::{EntryColumns, EventColumns, StreamColumns, Written};
use super::work::Write;
use crate::error::Failure;
use crate::query_sql::{Asked, Shape};
use crate::rows::{self, codec_of, column, number, signed};
use crate::statements::Statements;
use deadpool_postgres::Object;
use futures_util::future;
use midgard::event::{HeadersRef, NewEvent, RecordedEventRef, TagsRef};
use midgard::store::rules::{self, Facts, FirstEvent, Holder, Question, RECENT_EVENTS};
use midgard::store::{Append, Query, StoreError, StreamState, Versions};
use midgard::{EventId, LogId, Position, StreamName, Timestamp, Version};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

/// The answers for a group, and what its earlier appends have changed since.
pub(super) struct GroupFacts<'a> {
    streams: HashMap<&'a str, StreamState>,
    changed: HashSet<&'a str>,
    /// Where the events with each id are, in the order of the log.
    holders: HashMap<EventId, Vec<(StreamName, Version, Position)>>,
    known: HashMap<(&'a str, Version), Known>,
    /// The first event in the database that matches the condition of each append.
    matches: Vec<Option<Position>>,
    entries: HashMap<Vec<u8>, Vec<u8>>,
    changes: EntryColumns<'a>,
    /// The new events of earlier appends.
    new: Vec<New<'a>>,
    new_by_id: HashMap<EventId, usize>,
    /// The append that is decided.
    pub(super) current: usize,
    pub(super) last: Position,
}

/// A stored event with what the rules compare.
struct Known {
    id: EventId,
    position: Position,
    name: String,
    schema_version: u32,
    codec: i16,
    payload: Option<Vec<u8>>,
}

/// A new event of the group.
struct New<'a> {
    event: &'a NewEvent,
    stream: &'a StreamName,
    version: Version,
    position: Position,
}

/// The questions of a group, by kind.
#[derive(Default)]
struct Questions<'a> {
    streams: HashSet<&'a str>,
    ids: HashSet<EventId>,
    keys: HashSet<&'a [u8]>,
    conditions: BTreeMap<Shape, Conditions<'a>>,
    /// The appends whose condition all events match, with the positions after which they ask.
    everything: Vec<(usize, Position, bool)>,
}

/// The alternatives of one shape of all conditions of a group.
#[derive(Default)]
struct Conditions<'a> {
    appends: Vec<i64>,
    after: Vec<i64>,
    alternatives: crate::query_sql::Alternatives<'a>,
}

impl<'a> Questions<'a> {
    fn of(group: &'a [Write]) -> Self {
        let mut questions = Questions::default();
        for (index, write) in group.iter().enumerate() {
            match write {
                Write::Append(append, _) => {
                    rules::questions(append).for_each(|question| questions.add(index, question));
                }
                Write::Entries(write, _) => {
                    rules::entry_questions(write)
                        .for_each(|question| questions.add(index, question));
                }
            }
        }
        questions
    }

    fn add(&mut self, index: usize, question: Question<'a>) {
        match question {
            Question::State(stream) => {
                self.streams.insert(stream.as_str());
            }
            Question::Holder { id, .. } => {
                self.ids.insert(id);
            }
            Question::Entry { key, .. } => {
                self.keys.insert(key);
            }
            Question::FirstMatch(condition) => {
                let asked = Asked::new(&condition.query);
                let after = condition.after.position;
                if asked.everything {
                    self.everything.push((index, after, asked.tombstones));
                }
                for (shape, alternatives) in asked.alternatives {
                    let all = self.conditions.entry(shape).or_default();
                    let count = alternatives.len();
                    all.appends.extend(std::iter::repeat_n(index as i64, count));
                    all.after
                        .extend(std::iter::repeat_n(signed(after.get()), count));
                    all.alternatives.append(alternatives);
                }
            }
            // Asked only where an append is not as expected, which the states tell.
            Question::Events { .. } => {}
        }
    }
}

impl<'a> GroupFacts<'a> {
    /// Asks everything that is known to be asked, in one round trip; and the events that appends which are not as
    /// expected would have made, in another if there are such.
    pub(super) async fn read(
        client: &Object,
        statements: &Statements,
        group: &'a [Write],
        last: Position,
    ) -> Result<Self, Failure> {
        let questions = Questions::of(group);
        let mut facts = GroupFacts {
            streams: HashMap::with_capacity(questions.streams.len()),
            changed: HashSet::new(),
            holders: HashMap::new(),
            known: HashMap::new(),
            matches: vec![None; group.len()],
            entries: HashMap::new(),
            changes: EntryColumns::default(),
            new: Vec::new(),
            new_by_id: HashMap::new(),
            current: 0,
            last,
        };
        let failed = |error: Error| crate::error::failure("read what an append relies on", &error);
        let found = questions
            .ask(client, statements, last)
            .await
            .map_err(failed)?;
        facts
            .take(&questions, &found)
            .map_err(|error| corrupt(&error))?;
        let known = facts
            .ask_known(client, statements, group)
            .await
            .map_err(failed)?;
        facts
            .take_known(group, &known)
            .map_err(|error| corrupt(&error))?;
        Ok(facts)
    }

    fn take(&mut self, questions: &Questions<'a>, found: &Found) -> Result<(), StoreError> {
        for row in &found.states {
            let name: &str = column(row, 0)?;
            if let Some(name) = questions.streams.get(name) {
                self.streams.insert(name, rows::state(row)?);
            }
        }
        for row in &found.holders {
            let id = EventId::from(column::<Uuid>(row, 0)?);
            let stream = stream_name(column(row, 1)?)?;
            let place = (stream, Version(number(row, 2)?), Position(number(row, 3)?));
            self.holders.entry(id).or_default().push(place);
        }
        for row in &found.entries {
            self.entries.insert(column(row, 0)?, column(row, 1)?);
        }
        for row in found.matches.iter().flatten() {
            let index = number(row, 0)?;
            let position = Position(number(row, 1)?);
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            if let Some(first) = self.matches.get_mut(index) {
                *first = Some(first.map_or(position, |other| other.min(position)));
            }
        }
        Ok(())
    }

    /// Asks for the stored events that appends would have made if they were made before.
    async fn ask_known(
        &self,
        client: &Object,
        statements: &Statements,
        group: &'a [Write],
    ) -> Result<Vec<Row>, Error> {
        let (mut streams, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        let mut ids: Vec<Uuid> = Vec::new();
        for append in appends(group) {
            for question in rules::questions(append) {
                let Question::Events {
                    stream,
                    first,
                    count,
                } = question
                else {
                    continue;
                };
                let Some(first) = self.stored_first(stream, first) else {
                    continue;
                };
                streams.push(stream.as_str());
                firsts.push(signed(first.get()));
                lasts.push(signed(first.get().saturating_add(count).saturating_sub(1)));
                ids.extend(append.events().map(|event| Uuid::from(event.id)));
            }
        }
        if streams.is_empty() {
            return Ok(Vec::new());
        }
        let statement = client.prepare_cached(&statements.known).await?;
        client
            .query(&statement, &[&streams, &firsts, &lasts, &ids])
            .await
    }

    /// Returns the version from which a repeated append would be in the database; `None` when it cannot be there.
    fn stored_first(&self, stream: &StreamName, first: FirstEvent) -> Option<Version> {
        match first {
            FirstEvent::At(version) => {
                let state = self.streams.get(stream.as_str())?;
                (version <= state.last).then_some(version)
            }
            FirstEvent::Holding(id) => {
                let mut places = self.holders.get(&id)?.iter();
                let place = places.find(|(holder, _, _)| holder == stream);
                place.map(|(_, version, _)| *version)
            }
        }
    }

    fn take_known(&mut self, group: &'a [Write], known: &[Row]) -> Result<(), StoreError> {
        if known.is_empty() {
            return Ok(());
        }
        let parts = appends(group).flat_map(Append::parts);
        let names: HashSet<&'a str> = parts.map(|part| part.stream.as_str()).collect();
        for row in known {
            let Some(stream) = names.get(column::<&str>(row, 0)?) else {
                continue;
            };
            let version = Version(number(row, 1)?);
            let event = Known {
                id: column::<Uuid>(row, 2)?.into(),
                position: Position(number(row, 3)?),
                name: column(row, 4)?,
                schema_version: u32::try_from(number(row, 5)?).unwrap_or_default(),
                codec: column(row, 6)?,
                payload: column(row, 7)?,
            };
            self.known.insert((stream, version), event);
        }
        Ok(())
    }

    /// Adds the events and the changes of an append that goes through. Returns the position of its last event.
    pub(super) fn write(
        &mut self,
        append: &'a Append,
        versions: &mut Versions,
    ) -> Option<Position> {
        let mut position = None;
        for (part, version) in append.parts().iter().zip(versions.iter_mut()) {
            for event in &part.events {
                *version = version.next();
                self.last = self.last.next();
                position = Some(self.last);
                self.new_by_id.entry(event.id).or_insert(self.new.len());
                self.new.push(New {
                    event,
                    stream: &part.stream,
                    version: *version,
                    position: self.last,
                });
            }
            if !part.events.is_empty() {
                let name = part.stream.as_str();
                self.streams.entry(name).or_default().last = *version;
                self.changed.insert(name);
            }
        }
        if let Some(entries) = append.entries() {
            self.changes.extend(entries);
        }
        position
    }

    /// Adds changes of entries.
    pub(super) fn change_entries(&mut self, write: &'a midgard::store::EntryWrite) {
        self.changes.extend(write);
    }

    /// Returns everything that is to be written, with the time of the new events.
    pub(super) fn into_written(self, time: Timestamp) -> Written<'a> {
        let mut events = EventColumns::default();
        for new in &self.new {
            events.push(new.event, new.stream.as_str(), new.position, new.version);
        }
        let mut streams = StreamColumns::default();
        for name in self.changed {
            let state = self.streams.get(name).copied().unwrap_or_default();
            streams.push(name, state);
        }
        let end = (!self.new.is_empty()).then_some((self.last, time));
        Written {
            events,
            streams,
            entries: self.changes,
            end,
        }
    }

    /// Returns a new event of the group by its stream and version.
    fn new_at(&self, stream: &StreamName, version: Version) -> Option<&New<'a>> {
        let mut new = self.new.iter();
        new.find(|new| new.version == version && new.stream == stream)
    }
}

/// The answers to the questions of a group.
struct Found {
    states: Vec<Row>,
    holders: Vec<Row>,
    entries: Vec<Row>,
    matches: Vec<Vec<Row>>,
}

impl Questions<'_> {
    /// Sends all queries at once.
    async fn ask(
        &self,
        client: &Object,
        statements: &Statements,
        last: Position,
    ) -> Result<Found, Error> {
        let streams: Vec<&str> = self.streams.iter().copied().collect();
        let ids: Vec<Uuid> = self.ids.iter().map(|id| Uuid::from(*id)).collect();
        let keys: Vec<&[u8]> = self.keys.iter().copied().collect();
        let oldest = signed(last.get().saturating_sub(RECENT_EVENTS as u64));

        let states = rows_if(
            client,
            &statements.states,
            !streams.is_empty(),
            vec![&streams],
        );
        let holders = rows_if(
            client,
            &statements.holders,
            !ids.is_empty(),
            vec![&ids, &oldest],
        );
        let entries = rows_if(
            client,
            &statements.entries_of,
            !keys.is_empty(),
            vec![&keys],
        );
        let by_shape = future::try_join_all(self.conditions.iter().map(|(shape, asked)| {
            let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&asked.appends, &asked.after];
            parameters.extend(asked.alternatives.parameters(shape.is_named()));
            let sql = shape.first_matches(statements);
            async move {
                let statement = client.prepare_cached(&sql).await?;
                client.query(&statement, &parameters).await
            }
        }));
        let everything = future::try_join_all(self.everything.iter().map(
            |(index, after, tombstones)| async move {
                let index = *index as i64;
                let after = signed(after.get());
                let statement = client.prepare_cached(&statements.first_after).await?;
                client
                    .query(&statement, &[&index, &after, tombstones])
                    .await
            },
        ));
        let (states, holders, entries, mut matches, more) =
            future::try_join5(states, holders, entries, by_shape, everything).await?;
        matches.extend(more);
        Ok(Found {
            states,
            holders,
            entries,
            matches,
        })
    }
}

async fn rows_if(
    client: &Object,
    sql: &str,
    is_asked: bool,
    parameters: Vec<&(dyn ToSql + Sync)>,
) -> Result<Vec<Row>, Error> {
    if !is_asked {
        return Ok(Vec::new());
    }
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, &parameters).await
}

impl Facts for GroupFacts<'_> {
    fn state(&mut self, stream: &StreamName) -> Result<StreamState, StoreError> {
        Ok(self
            .streams
            .get(stream.as_str())
            .copied()
            .unwrap_or_default())
    }

    fn event_at(
        &mut self,
        stream: &StreamName,
        version: Version,
    ) -> Result<Option<(EventId, Position)>, StoreError> {
        if let Some(known) = self.known.get(&(stream.as_str(), version)) {
            return Ok(Some((known.id, known.position)));
        }
        let new = self.new_at(stream, version);
        Ok(new.map(|new| (new.event.id, new.position)))
    }

    fn read_event(
        &mut self,
        stream: &StreamName,
        position: Position,
        visit: &mut dyn FnMut(RecordedEventRef<'_>),
    ) -> Result<(), StoreError> {
        let new = self.new.iter().find(|new| new.position == position);
        if let Some(New { event, version, .. }) = new {
            visit(RecordedEventRef {
                log: LogId::MAIN,
                position,
                stream: stream.as_str(),
                version: *version,
                id: event.id,
                time: Timestamp::default(),
                name: &event.name,
                schema_version: event.schema_version,
                codec: event.codec,
                payload: &event.payload,
                tags: event.tags.view(),
                correlation_id: None,
                causation_id: None,
                headers: HeadersRef::default(),
            });
            return Ok(());
        }
        let mut known = self.known.iter();
        let Some(((_, version), known)) = known.find(|(_, known)| known.position == position)
        else {
            return Ok(());
        };
        let codec = codec_of(known.codec).map_err(|reason| StoreError::Corrupt {
            log: LogId::MAIN,
            position,
            stream: Some(stream.as_str().to_owned()),
            reason: reason.to_string(),
        })?;
        visit(RecordedEventRef {
            log: LogId::MAIN,
            position,
            stream: stream.as_str(),
            version: *version,
            id: known.id,
            time: Timestamp::default(),
            name: &known.name,
            schema_version: known.schema_version,
            codec,
            payload: known.payload.as_deref().unwrap_or_default(),
            tags: TagsRef::default(),
            correlation_id: None,
            causation_id: None,
            headers: HeadersRef::default(),
        });
        Ok(())
    }

    fn holder(&mut self, stream: &StreamName, id: EventId) -> Result<Option<Holder>, StoreError> {
        let before = Position(self.last.get().saturating_sub(RECENT_EVENTS as u64));
        let stored = self.holders.get(&id).into_iter().flatten();
        let stored: Vec<_> = stored
            .filter(|(_, _, position)| *position > before)
            .map(|(stream, version, _)| (stream, *version))
            .collect();
        let new = self.new_by_id.get(&id).map(|first| &self.new[*first..]);
        let new = new.into_iter().flatten();
        let new = new
            .filter(|new| new.event.id == id && new.position > before)
            .map(|new| (new.stream, new.version));
        let mut holders = stored.into_iter().chain(new);
        let Some((first, version)) = holders.next() else {
            return Ok(None);
        };
        if first == stream {
            return Ok(Some(Holder::Here(version)));
        }
        Ok(Some(match holders.find(|(holder, _)| *holder == stream) {
            Some((_, version)) => Holder::Here(version),
            None => Holder::Elsewhere(first.clone(), version),
        }))
    }

    fn first_match(
        &mut self,
        query: &Query,
        after: Position,
    ) -> Result<Option<Position>, StoreError> {
        let stored = self.matches.get(self.current).copied().flatten();
        if stored.is_some() {
            return Ok(stored);
        }
        let mut later = self.new.iter().filter(|new| new.position > after);
        let found = later.find(|new| query.matches_parts(&new.event.name, new.event.tags.view()));
        Ok(found.map(|new| new.position))
    }

    fn entry_is(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<bool, StoreError> {
        let current = match self.changes.get(key) {
            Some(changed) => changed,
            None => self.entries.get(key).map(Vec::as_slice),
        };
        Ok(current == value)
    }
}

fn appends(group: &[Write]) -> impl Iterator<Item = &Append> {
    group.iter().filter_map(|write| match write {
        Write::Append(append, _) => Some(append),
        Write::Entries(..) => None,
    })
}

fn stream_name(name: &str) -> Result<StreamName, StoreError> {
    Ok(StreamName::new(name)?)
}

fn corrupt(error: &StoreError) -> Failure {
    Failure::Refused {
        action: "read what an append relies on",
        reason: error.to_string(),
    }
}
