//! Adding topics to a queue, and removing them.
//!
//! Messages in a queue stay in it when their topic is removed. A consumer would forget them, so its filter lets the
//! topic through as long as there may be some, and its metadata says that the topic is no longer wanted: publishers
//! do not count on it, and a receiver passes over later messages, which are for other queues.

use crate::interest::{SINCE, UNTIL};
use async_nats::jetstream::consumer::{Info, pull};
use midgard::EventId;
use std::collections::{BTreeSet, HashMap};

/// Marks the end of a queue's messages of a topic while it is not known yet.
const OPEN: &str = "open";

/// Changes the filter and the metadata of a consumer to the wanted topics, which `wanted` has as its filter.
pub(crate) fn change(wanted: &mut pull::Config, found: &pull::Config, info: &Info) {
    let asked: BTreeSet<&String> = wanted.filter_subjects.iter().collect();
    let before: BTreeSet<&String> = found.filter_subjects.iter().collect();
    let mut metadata = found.metadata.clone();
    let mut kept = Vec::new();
    for subject in &asked {
        let was_removed = metadata.remove(&format!("{UNTIL}{subject}")).is_some();
        if was_removed || !before.contains(subject) {
            let since = EventId::new().to_string();
            let (_, since) = since.rsplit_once('-').unwrap_or(("", &since));
            metadata.insert(format!("{SINCE}{subject}"), since.to_owned());
        }
    }
    for subject in before.difference(&asked) {
        metadata.remove(&format!("{SINCE}{subject}"));
        let until = metadata.entry(format!("{UNTIL}{subject}"));
        let until = until.or_insert_with(|| OPEN.to_owned());
        let is_empty = until
            .parse()
            .is_ok_and(|until: u64| info.ack_floor.stream_sequence >= until);
        if is_empty || info.num_pending == 0 && info.num_ack_pending == 0 && until != OPEN {
            metadata.remove(&format!("{UNTIL}{subject}"));
        } else {
            kept.push((*subject).clone());
        }
    }
    wanted.filter_subjects.extend(kept);
    wanted.filter_subjects.sort_unstable();
    wanted.metadata = metadata;
}

/// Returns whether the end of some topic is not known yet.
pub(crate) fn has_open_end(config: &pull::Config) -> bool {
    config
        .metadata
        .iter()
        .any(|(name, until)| name.starts_with(UNTIL) && until == OPEN)
}

/// Sets the ends that are not known yet.
pub(crate) fn end(config: &mut pull::Config, last: u64) {
    for (name, until) in &mut config.metadata {
        if name.starts_with(UNTIL) && until == OPEN {
            *until = last.to_string();
        }
    }
}

/// Returns the subjects that a queue no longer wants, and the place of its last message of each.
pub(crate) fn removed(metadata: &HashMap<String, String>) -> HashMap<String, u64> {
    let removed = metadata.iter().filter_map(|(name, until)| {
        let subject = name.strip_prefix(UNTIL)?;
        Some((subject.to_owned(), until.parse().unwrap_or(u64::MAX)))
    });
    removed.collect()
}
