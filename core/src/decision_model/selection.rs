//! The events that a model is folded from.

use crate::event::reading::with_sources;
use crate::event::tags::TagsRef;
use crate::event::{EventSet, RecordedEventRef, Tags};
use crate::store::{Query, QueryItem};

/// The events of a model: those that its query finds, and which of those are its own.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Selection {
    query: Query,
    /// The key of each tag of the model, and the whole tag.
    tags: Vec<(&'static str, String)>,
    /// Whether every event that the query finds is one of the model's own.
    is_exact: bool,
}

impl Selection {
    /// Selects the events of a set that have those of these tags that their types carry.
    pub(super) fn of<S: EventSet>(tags: Vec<(&'static str, String)>) -> Self {
        let tags: Vec<_> = whole(tags).collect();
        let mut is_exact = true;
        let mut items: Vec<(Vec<&str>, QueryItem)> = Vec::new();
        for event in with_sources(S::DESCRIPTORS) {
            // An upcast or a split may make other tags than were recorded: such records are found by their name, and the
            // model takes what they are read as.
            let as_recorded = event.previous.is_none() && S::DESCRIPTORS.contains(&event);
            let carried = tags
                .iter()
                .filter(|(key, _)| as_recorded && event.has_tag(key));
            let demanded: Vec<_> = carried.map(|(_, tag)| tag.as_str()).collect();
            is_exact &= as_recorded;
            let same = items.iter_mut().find(|(tags, _)| *tags == demanded);
            if let Some((_, item)) = same {
                *item = std::mem::take(item).name(event.name);
            } else {
                let item = QueryItem::new().name(event.name);
                let item = demanded.iter().fold(item, |item, tag| item.tag(*tag));
                items.push((demanded, item));
            }
        }
        let items = items.into_iter().map(|(_, item)| item);
        Selection {
            query: items.fold(Query::all(), Query::or),
            tags,
            is_exact,
        }
    }

    /// The items of the query; none when there is nothing to query.
    pub(crate) fn items(&self) -> &[QueryItem] {
        self.query.items()
    }

    pub(crate) fn matches(&self, event: &RecordedEventRef<'_>) -> bool {
        self.matches_parts(event.name, event.tags)
    }

    pub(crate) fn matches_parts(&self, name: &str, tags: TagsRef<'_>) -> bool {
        !self.items().is_empty() && self.query.matches_parts(name, tags)
    }

    pub(super) const fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Whether an event has all those of the tags that its type carries.
    pub(super) fn selects<E: EventSet>(&self, event: &E) -> bool {
        has_tags(event, self.tags.iter().map(|(key, tag)| (*key, tag)))
    }
}

/// Whether an event has all those of the tags of a model that its type carries.
pub(super) fn selects<E: EventSet>(event: &E, tags: Vec<(&'static str, String)>) -> bool {
    has_tags(event, whole(tags))
}

/// Returns the key of each tag, and the whole tag.
fn whole(tags: Vec<(&'static str, String)>) -> impl Iterator<Item = (&'static str, String)> {
    let tags = tags.into_iter();
    tags.map(|(key, value)| (key, format!("{key}:{value}")))
}

fn has_tags<E: EventSet>(
    event: &E,
    mut tags: impl Iterator<Item = (&'static str, impl AsRef<str>)>,
) -> bool {
    let descriptor = event.descriptor();
    let mut own = Tags::new();
    event.collect_tags(&mut own);
    tags.all(|(key, tag)| !descriptor.has_tag(key) || own.view().contains(tag.as_ref()))
}
