//! The events that a consumer covers, as noted in the store: a release that knows fewer does not move its checkpoints.
//!
//! The note about the consumer holds them, and every commit relies on this note. So a release that covers more only has to
//! write them there: from then on, a release that covers less can commit nothing more, reads the note, and stands by.

use super::about::AboutSubscription;
use super::handler::Continuous;
use super::notes::{self, Behind, Checkpoint, Keys, NoteError};
use super::options::ConsumerOptions;
use super::track::TrackError;
use crate::consumer::ProjectError;
use crate::event::codec::{DecodeError, DecodeReason};
use crate::event::record::RecordedEventRef;
use crate::notes::NoteStore;
use crate::place::LogId;
use crate::repository::LoadError;
use crate::store::query::{Query, QueryItem};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

/// The name that stands for all events.
pub(crate) const ALL: &str = "*";

/// The events that a release handles, by name, each with the newest version that it can read; zero when none.
pub(crate) type Covered = BTreeMap<String, u32>;

/// What every worker that moves the checkpoints of a consumer covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    events: Covered,
    /// The events that a release has given up on purpose: they need not be covered.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    dropped: BTreeSet<String>,
}

/// The names of all events that the releases that moved the checkpoints of a consumer knew, handled or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    names: BTreeSet<String>,
}

/// Returns what a reader of a query covers if it can read these events.
pub(crate) fn covered<'n>(
    query: &Query,
    readable: impl IntoIterator<Item = (&'n str, u32)>,
) -> Covered {
    let readable: BTreeMap<&str, u32> = readable.into_iter().collect();
    let items = query.items();
    if items.is_empty() || items.iter().any(|item| item.names().is_empty()) {
        let all = readable.into_iter().chain([(ALL, 0)]);
        return all
            .map(|(name, version)| (name.to_owned(), version))
            .collect();
    }
    let names = items.iter().flat_map(QueryItem::names);
    names
        .map(|name| {
            (
                name.clone(),
                readable.get(name.as_str()).copied().unwrap_or_default(),
            )
        })
        .collect()
}

/// Returns whether an event of this name and version can be read.
pub(crate) fn can_read(covered: &Covered, name: &str, version: u32) -> bool {
    covered.get(name).is_some_and(|newest| *newest >= version)
}

impl Coverage {
    /// Returns the names of the events that are covered, but that a release cannot handle.
    pub(crate) fn lacks(&self, own: &Covered) -> BTreeSet<String> {
        let events = self.events.iter();
        let lacking = events.filter(|(name, version)| !can_read(own, name, **version));
        lacking.map(|(name, _)| name.clone()).collect()
    }

    /// Returns what is covered when a release joins, and what of it is new.
    fn joined(
        &self,
        own: &Covered,
        options: &ConsumerOptions,
    ) -> Result<(Self, Vec<String>), TrackError> {
        let mut next = self.clone();
        let mut lacks = Vec::new();
        for name in self.lacks(own) {
            if options.has_dropped(&name) {
                tracing::warn!(event = name, "this event is given up on purpose");
                next.events.remove(&name);
                next.dropped.insert(name);
            } else {
                lacks.push(lack(&name, self.events[&name], own.contains_key(&name)));
            }
        }
        if !lacks.is_empty() {
            return Err(TrackError::Lacks(lacks.join(", ")));
        }
        let mut added = Vec::new();
        for (name, version) in own {
            if next.dropped.contains(name) {
                continue;
            }
            match next.events.get_mut(name) {
                Some(known) => *known = (*known).max(*version),
                None => {
                    next.events.insert(name.clone(), *version);
                    added.push(name.clone());
                }
            }
        }
        Ok((next, added))
    }
}

fn lack(name: &str, version: u32, is_known: bool) -> String {
    match name {
        ALL => "all other events (\"*\")".to_owned(),
        name if is_known => format!("version {version} of \"{name}\""),
        name => format!("\"{name}\""),
    }
}

/// Returns the events that a release can read only in older versions than another has noted, unless it has given them up.
pub(crate) fn lacks_versions(
    noted: &Covered,
    own: &Covered,
    options: &ConsumerOptions,
) -> Option<TrackError> {
    let lacks: Vec<String> = noted
        .iter()
        .filter(|(name, version)| {
            own.contains_key(*name) && !can_read(own, name, **version) && !options.has_dropped(name)
        })
        .map(|(name, version)| lack(name, *version, true))
        .collect();
    (!lacks.is_empty()).then(|| TrackError::Lacks(lacks.join(", ")))
}

/// Adds a release to those that move the checkpoints of a consumer, as part of a transaction: notes what it covers, and the
/// events that others have passed without knowing them, which it hands over first. Returns whether anything was written
/// besides the note about the consumer, which the caller writes.
pub(crate) async fn join<H: Continuous>(
    handler: &H,
    keys: &Keys,
    transaction: &mut <H::Notes as NoteStore>::Transaction,
    about: &mut AboutSubscription,
    logs: &[LogId],
) -> Result<bool, TrackError> {
    let (notes, options) = (handler.notes(), handler.options());
    let own = handler.covers();
    let before: Option<Known> = notes::get(notes, transaction, &keys.known()).await?;
    let mut known = before.clone().unwrap_or_default();
    let mut is_written = false;
    // Releases that moved it before coverage was noted are taken to have covered the same.
    let old = about.coverage.take();
    let (coverage, added) = old.unwrap_or_default().joined(&own, options)?;
    about.coverage = Some(coverage);
    let names = options.known_names();
    if before.is_some() {
        let mut passed: BTreeSet<String> = added.into_iter().collect();
        if passed.remove(ALL) {
            passed.extend(names.iter().cloned());
        }
        passed.retain(|name| !known.names.contains(name));
        if !passed.is_empty() {
            let behind = fall_behind(handler, keys, transaction, about, logs, &passed);
            is_written = behind.await?;
        }
    }
    known.names.extend(names);
    known
        .names
        .extend(own.into_keys().filter(|name| name != ALL));
    if before.as_ref() != Some(&known) {
        notes::put(notes, transaction, &keys.known(), known).await?;
        is_written = true;
    }
    Ok(is_written)
}

/// Notes at each checkpoint that events of these names were passed.
async fn fall_behind<H: Continuous>(
    handler: &H,
    keys: &Keys,
    transaction: &mut <H::Notes as NoteStore>::Transaction,
    about: &AboutSubscription,
    logs: &[LogId],
    passed: &BTreeSet<String>,
) -> Result<bool, NoteError> {
    let notes = handler.notes();
    let mut is_any = false;
    let all = logs.iter().flat_map(|log| {
        let partitions = 0..about.partitions;
        partitions.map(|partition| (*log, partition))
    });
    for (log, partition) in all {
        let (key, start) = (keys.checkpoint(0, log, partition), about.start_in(log));
        let checkpoint: Option<Checkpoint> = notes::get(notes, transaction, &key).await?;
        if let Some(mut checkpoint) = checkpoint.filter(|at| at.position > start.0) {
            checkpoint.behind.push(Behind {
                names: passed.clone(),
                position: start.0,
                end: checkpoint.position,
            });
            notes::put(notes, transaction, &key, checkpoint).await?;
            is_any = true;
        }
    }
    Ok(is_any)
}

/// Notes that every worker that moves the checkpoints must be able to read an event, as there is one in the log. Returns
/// whether this is new.
pub(crate) fn require(about: &mut AboutSubscription, event: &RecordedEventRef<'_>) -> bool {
    let coverage = about.coverage.get_or_insert_default();
    if coverage.dropped.contains(event.name) {
        return false;
    }
    let newest = coverage.events.entry(event.name.to_owned()).or_default();
    let is_new = *newest < event.schema_version;
    *newest = (*newest).max(event.schema_version);
    is_new
}

/// Returns whether an event failed only because this release does not know it: another one may.
pub(crate) fn is_unknown(error: &ProjectError) -> bool {
    let handler: &(dyn Error + 'static) = match error {
        ProjectError::Decode(error) => return is_unread(error),
        ProjectError::Handler(error) => &**error,
    };
    let mut next = Some(handler);
    while let Some(error) = next {
        let is_unknown = if let Some(error) = error.downcast_ref::<DecodeError>() {
            is_unread(error)
        } else if let Some(LoadError::Decode(error)) = error.downcast_ref::<LoadError>() {
            is_unread(error)
        } else {
            error.downcast_ref().is_some_and(is_beyond)
        };
        if is_unknown {
            return true;
        }
        next = error.source();
    }
    false
}

fn is_unread(error: &DecodeError) -> bool {
    // No event has version zero.
    error.schema_version > 0 && is_beyond(&error.reason)
}

const fn is_beyond(reason: &DecodeReason) -> bool {
    matches!(
        reason,
        DecodeReason::UnknownEvent
            | DecodeReason::UnknownVersion { .. }
            | DecodeReason::UnknownCodec(_)
    )
}
