//! The keys that a query asks for.

use super::{TagKey, TagKeys};
use crate::tail::KeyHasher;
use midgard::store::{Query, QueryItem};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

/// Of so many keys one is found by comparing it with each; of more, by a map.
const FEW: usize = 16;

/// A query in terms of keys.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    items: Vec<ItemPlan>,
    /// Each key once.
    keys: Vec<TagKey>,
    /// The places of the keys that the items ask for, item by item.
    asked: Vec<usize>,
    /// The places of the keys, when they are many.
    places: HashMap<TagKey, usize, BuildHasherDefault<KeyHasher>>,
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

    /// Returns whether no item asks for a tag.
    pub(crate) fn is_by_names(&self) -> bool {
        self.items.iter().all(|item| item.all.is_empty())
    }

    fn ask(&mut self, keys: impl Iterator<Item = TagKey>) -> Range<usize> {
        let start = self.asked.len();
        for key in keys {
            let place = self.place(key);
            self.asked.push(place);
        }
        start..self.asked.len()
    }

    /// Returns the place of a key, which is noted if it is a new one.
    fn place(&mut self, key: TagKey) -> usize {
        let known = match self.keys.len() {
            ..=FEW => self.keys.iter().position(|known| *known == key),
            _ => self.places.get(&key).copied(),
        };
        if let Some(known) = known {
            return known;
        }
        let place = self.keys.len();
        self.keys.push(key);
        match place {
            ..FEW => {}
            FEW => self.places.extend(self.keys.iter().copied().zip(0..)),
            _ => {
                self.places.insert(key, place);
            }
        }
        place
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

#[cfg(test)]
mod tests {
    use super::*;
    use midgard::store::QueryItem;

    #[test]
    fn each_of_many_keys_has_one_place() {
        let keys = TagKeys::new(&[7; 16]);
        for items in [1, FEW - 1, FEW, FEW + 1, 2 * FEW, 10_000] {
            let item = |number: usize| {
                let item = QueryItem::new().name(format!("name-{}", number % 3));
                item.tag(format!("number:{number}")).tag("all:1")
            };
            let query =
                (0..2 * items).fold(Query::all(), |query, number| query.or(item(number % items)));
            let plan = Plan::of(&query, &keys);
            let names = items.min(3);
            assert_eq!(plan.keys().len(), items + 1 + names, "{items} items");
            for (number, planned) in plan.items().iter().enumerate() {
                let asked = |range: &Range<usize>| {
                    let places = plan.asked()[range.clone()].iter();
                    places.map(|place| plan.keys()[*place]).collect::<Vec<_>>()
                };
                let number = number % items;
                let mut tags = [format!("number:{number}"), "all:1".to_owned()]
                    .map(|tag| keys.tag(tag.as_bytes()));
                let mut found = asked(&planned.all);
                tags.sort();
                found.sort();
                assert_eq!(found, tags);
                let name = format!("name-{}", number % 3);
                assert_eq!(asked(&planned.any), [keys.name(name.as_bytes())]);
            }
        }
    }
}
