//! Which events a consumer covers, as it is written down: who knows less moves no checkpoint of it.
//!
//! It stands in the note about the consumer, on which every commit relies. So a release that covers more has only to
//! write that down: whoever covers less can commit nothing more from then on, reads the note, and stands by.

use super::about::AboutSubscription;
use super::handler::Continuous;
use super::notes::{self, Behind, Checkpoint, Keys, NoteError};
use super::options::ConsumerOptions;
use super::track::Trouble;
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

/// Stands for the names of all events.
pub(crate) const ALL: &str = "*";

/// The events that a release handles, by name, each with the newest version that it can read; zero when none.
pub(crate) type Covered = BTreeMap<String, u32>;

/// What is covered by whoever moves the checkpoints of a consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    events: Covered,
    /// The events that a release has given up on purpose: nobody needs to cover them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    dropped: BTreeSet<String>,
}

/// The names of all events that those who have moved the checkpoints of a consumer knew, handled or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    names: BTreeSet<String>,
}

/// What a reader of a query covers that can read these events.
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

/// Whether an event of this name and version can be read.
pub(crate) fn can_read(covered: &Covered, name: &str, version: u32) -> bool {
    covered.get(name).is_some_and(|newest| *newest >= version)
}

impl Coverage {
    /// The names of the events that are covered, and that a release cannot handle.
    pub(crate) fn lacks(&self, own: &Covered) -> BTreeSet<String> {
        let events = self.events.iter();
        let lacking = events.filter(|(name, version)| !can_read(own, name, **version));
        lacking.map(|(name, _)| name.clone()).collect()
    }

    /// What is covered when a release joins; the second is what is new of it.
    fn joined(
        &self,
        own: &Covered,
        options: &ConsumerOptions,
    ) -> Result<(Self, Vec<String>), Trouble> {
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
            return Err(Trouble::Lacks(lacks.join(", ")));
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

/// The events that a release cannot read in the version that another has noted to read, and has not given up.
pub(crate) fn lacks_versions(
    noted: &Covered,
    own: &Covered,
    options: &ConsumerOptions,
) -> Option<Trouble> {
    let lacks: Vec<String> = noted
        .iter()
        .filter(|(name, version)| {
            own.contains_key(*name) && !can_read(own, name, **version) && !options.has_dropped(name)
        })
        .map(|(name, version)| lack(name, *version, true))
        .collect();
    (!lacks.is_empty()).then(|| Trouble::Lacks(lacks.join(", ")))
}

/// Takes a release in among those who move the checkpoints of a consumer, as part of a transaction: what it covers is
/// written down, and what others have passed because they did not know it, it is to hand over first. Says whether
/// anything was written beside the note about the consumer, which is the caller's to write.
pub(crate) async fn join<H: Continuous>(
    handler: &H,
    keys: &Keys,
    transaction: &mut <H::Notes as NoteStore>::Transaction,
    about: &mut AboutSubscription,
) -> Result<bool, Trouble> {
    let (notes, options) = (handler.notes(), handler.options());
    let own = handler.covers();
    let before: Option<Known> = notes::get(notes, transaction, &keys.known()).await?;
    let mut known = before.clone().unwrap_or_default();
    let mut is_written = false;
    // Who has moved it before this was written down is taken to have covered the same.
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
            is_written = fall_behind(handler, keys, transaction, about, &passed).await?;
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
    passed: &BTreeSet<String>,
) -> Result<bool, NoteError> {
    let notes = handler.notes();
    let mut is_any = false;
    for partition in 0..about.partitions {
        let key = keys.checkpoint(0, LogId::MAIN, partition);
        let checkpoint: Option<Checkpoint> = notes::get(notes, transaction, &key).await?;
        if let Some(mut checkpoint) = checkpoint.filter(|at| at.position > about.start) {
            checkpoint.behind.push(Behind {
                names: passed.clone(),
                position: about.start,
                end: checkpoint.position,
            });
            notes::put(notes, transaction, &key, checkpoint).await?;
            is_any = true;
        }
    }
    Ok(is_any)
}

/// Writes down that whoever moves the checkpoints must be able to read an event, as there is one in the log. Says
/// whether that was not known.
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

/// Whether all that is wrong with an event is that this release does not know it: another one may.
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
