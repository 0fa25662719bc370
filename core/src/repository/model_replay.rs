//! Reads decision models from the log, and finds out what their decisions rely on.

use super::{encoding, replay};
use crate::aggregate::Events;
use crate::decision_model::{DecisionModel, Selection};
use crate::event::codec::ReadBack;
use crate::event::metadata::Metadata;
use crate::event::record::NewEvent;
use crate::event::registry::Registry;
use crate::event::{DecodeError, RecordedEventRef};
use crate::place::{LogId, Position, Version};
use crate::repository::LoadError;
use crate::store::{AppendError, AppendPart, Query, QueryItem, ReadLog, Store};
use crate::stream_name::StreamName;
use crate::time::Timestamp;
use std::ops::ControlFlow;

/// Reads what a model does not have yet: of the log all that is after a position, up to another or to the end, and of the streams of
/// its aggregates what was there by then. Returns the position up to which it has read.
pub(super) async fn read<M: DecisionModel, S: Store>(
    store: &S,
    model: &mut M,
    after: Position,
    until: Option<Position>,
) -> Result<Position, LoadError> {
    let end = read_log(store, model, after, until).await?;
    for part in model.__parts() {
        if let Some((stream, state)) = part.stream() {
            let wanted = |event: &RecordedEventRef<'_>| is_by(event, end);
            replay::catch_up(store, &stream?, state, wanted).await?;
        }
    }
    Ok(end)
}

/// Reads what a model does not have yet of the log, and leaves out the streams of its aggregates.
pub(super) async fn read_log<M: DecisionModel, S: Store>(
    store: &S,
    model: &mut M,
    after: Position,
    until: Option<Position>,
) -> Result<Position, LoadError> {
    Registry::linked()?;
    let mut parts = model.__parts();
    let selections: Vec<Selection> = parts.iter().map(|part| part.selection()).collect();
    let items = selections.iter().flat_map(Selection::items).cloned();
    let Some(query) = query(items) else {
        return match until {
            Some(until) => Ok(until),
            None => Ok(store.last_position(LogId::MAIN).await?),
        };
    };
    let mut unreadable = None;
    let read = ReadLog::forward().after(after).matching(query);
    let visit = &mut |event: RecordedEventRef<'_>| {
        if until.is_some_and(|until| event.position > until) {
            return ControlFlow::Break(());
        }
        for (part, selection) in parts.iter_mut().zip(&selections) {
            if selection.matches(&event)
                && let Err(error) = part.apply_record(&event, selection)
            {
                unreadable = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    };
    let end = store.read_log(&read, visit).await?;
    match unreadable {
        Some(error) => Err(error.into()),
        None => Ok(until.unwrap_or(end)),
    }
}

/// Applies events that are about to be appended, and that the model would find in the log; leaves out the streams of its
/// aggregates.
pub(super) fn apply_pending<M: DecisionModel>(
    model: &mut M,
    pending: &[AppendPart],
) -> Result<(), DecodeError> {
    if pending.is_empty() {
        return Ok(());
    }
    let now = Timestamp::now();
    for part in model.__parts() {
        let selection = part.selection();
        if selection.items().is_empty() {
            continue;
        }
        for AppendPart { stream, events, .. } in pending {
            for event in events {
                if selection.matches_parts(&event.name, event.tags.view()) {
                    let event = to_be_recorded(event, stream, Version::FIRST, now);
                    part.apply_record(&event, &selection)?;
                }
            }
        }
    }
    Ok(())
}

/// Returns an event that is about to be appended, as it will be read.
pub(super) fn to_be_recorded<'a>(
    event: &'a NewEvent,
    stream: &'a StreamName,
    version: Version,
    now: Timestamp,
) -> RecordedEventRef<'a> {
    RecordedEventRef {
        log: LogId::MAIN,
        position: Position::ZERO,
        stream: stream.as_str(),
        version,
        id: event.id,
        time: now,
        name: &event.name,
        schema_version: event.schema_version,
        codec: event.codec,
        payload: &event.payload,
        tags: event.tags.view(),
        correlation_id: event.metadata.correlation_id(),
        causation_id: event.metadata.causation_id(),
        headers: event.metadata.headers(),
    }
}

/// Returns whether an event was there when the main log ended at a position: all that a decision sees is as of one moment, so that
/// a refusal is right, too. Positions of other logs are not comparable.
pub(super) fn is_by(event: &RecordedEventRef<'_>, end: Position) -> bool {
    event.log != LogId::MAIN || event.position <= end
}

/// Returns the query of these items; `None` without any, as a query without items finds all events.
pub(super) fn query(items: impl IntoIterator<Item = QueryItem>) -> Option<Query> {
    let mut query = Query::all();
    for item in items {
        if !query.items().contains(&item) {
            query = query.or(item);
        }
    }
    (!query.items().is_empty()).then_some(query)
}

/// Encodes the events decided on a model, in their order; those in a row that go to one stream are one part.
pub(super) fn encode<M: DecisionModel>(
    model: &mut M,
    events: &Events<M>,
    metadata: &mut Metadata,
    read_back: ReadBack,
) -> Result<Vec<(StreamName, Vec<NewEvent>)>, AppendError> {
    let mut encoded: Vec<(StreamName, Vec<NewEvent>)> = Vec::new();
    for event in events {
        let stream = event.stream()?;
        model.__check(event)?;
        let new = event.written(read_back);
        let new = new.map_err(|error| error.for_stream(&stream))?;
        let new = encoding::with_metadata(new, metadata);
        match encoded.last_mut() {
            Some((last, events)) if *last == stream => events.push(new),
            _ => encoded.push((stream, vec![new])),
        }
    }
    Ok(encoded)
}
