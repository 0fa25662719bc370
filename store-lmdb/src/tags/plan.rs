//! The keys that a query asks for.

use super::{TagKey, TagKeys};
use midgard::store::{Query, QueryItem};
use std::ops::Range;

/// A query in terms of keys.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    items: Vec<ItemPlan>,
    /// Each key once.
    keys: Vec<TagKey>,
    /// The places of the keys that the items ask for, item by item.
    asked: Vec<usize>,
}

/// An item of a query, by the places of its keys in what is asked for.
#[derive(Debug, Clone)]
pub(super) struct ItemPlan {
    /// The tags, all of which an event must have.
    pub(super) all: Range<usize>,
    /// The names, any of which it must have; every name does when there is none.
    pub(super) any: Range<usize>,
}

impl Plan {
    pub(crate) fn of(query: &Query, keys: &TagKeys) -> Self {
        let mut plan = Plan::default();
        let selects_all = |item: &QueryItem| item.names().is_empty() && item.tags().is_empty();
        if query.items().iter().any(selects_all) {
            return plan;
        }
        for item in query.items() {
            let all = plan.ask(item.tags().iter().map(|tag| keys.tag(tag.as_bytes())));
            let any = plan.ask(item.names().iter().map(|name| keys.name(name.as_bytes())));
            plan.items.push(ItemPlan { all, any });
        }
        plan
    }

    /// Returns whether it leads to all records: the query has no items, or one that asks for nothing.
    pub(crate) fn is_scan(&self) -> bool {
        self.items.is_empty()
    }

    fn ask(&mut self, keys: impl Iterator<Item = TagKey>) -> Range<usize> {
        let start = self.asked.len();
        for key in keys {
            let known = self.keys.iter().position(|known| *known == key);
            self.asked.push(known.unwrap_or(self.keys.len()));
            if known.is_none() {
                self.keys.push(key);
            }
        }
        start..self.asked.len()
    }

    pub(super) fn items(&self) -> &[ItemPlan] {
        &self.items
    }

    pub(super) fn keys(&self) -> &[TagKey] {
        &self.keys
    }

    pub(super) fn asked(&self) -> &[usize] {
        &self.asked
    }
}
