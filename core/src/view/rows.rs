//! Rows by the bytes of their keys.

use hashbrown::HashTable;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;

/// Rows by the bytes of their keys, in the order of insertion. The keys share one buffer, so a row costs no
/// allocation of its own.
pub(super) struct Rows<R> {
    /// The index in `all` of a key's row, by the hash of the key.
    places: HashTable<usize>,
    hasher: RandomState,
    keys: Vec<u8>,
    all: Vec<Keyed<R>>,
}

struct Keyed<R> {
    hash: u64,
    key: Range<usize>,
    row: R,
}

/// The hash of a key that has no row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vacant(u64);

impl<R> Rows<R> {
    pub(super) fn new() -> Self {
        Rows {
            places: HashTable::new(),
            hasher: RandomState::new(),
            keys: Vec::new(),
            all: Vec::new(),
        }
    }

    /// Returns the index of a key's row.
    pub(super) fn find(&self, key: &[u8]) -> Result<usize, Vacant> {
        let hash = self.hasher.hash_one(key);
        let is_it = |place: &usize| {
            let found = self.all.get(*place);
            found.is_some_and(|one| one.hash == hash && self.keys[one.key.clone()] == *key)
        };
        let place = self.places.find(hash, is_it);
        place.copied().ok_or(Vacant(hash))
    }

    /// Adds the row of a key that was found to have none; returns its index.
    pub(super) fn insert(&mut self, Vacant(hash): Vacant, key: &[u8], row: R) -> usize {
        let place = self.all.len();
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        let key = start..self.keys.len();
        self.all.push(Keyed { hash, key, row });
        let all = &self.all;
        let hash_of = |place: &usize| all.get(*place).map_or(0, |one| one.hash);
        self.places.insert_unique(hash, place, hash_of);
        place
    }

    pub(super) fn get(&self, place: usize) -> Option<&R> {
        self.all.get(place).map(|one| &one.row)
    }

    pub(super) fn key(&self, place: usize) -> &[u8] {
        let one = self.all.get(place);
        one.map_or(&[], |one| &self.keys[one.key.clone()])
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut R> {
        self.all.get_mut(place).map(|one| &mut one.row)
    }

    /// Returns the row at an index and its key, to change it.
    pub(super) fn keyed_mut(&mut self, place: usize) -> Option<(&[u8], &mut R)> {
        let keys = &self.keys;
        let one = self.all.get_mut(place)?;
        Some((&keys[one.key.clone()], &mut one.row))
    }

    /// Returns all rows with their keys, in the order of insertion.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &R)> {
        let all = self.all.iter();
        all.map(|one| (&self.keys[one.key.clone()], &one.row))
    }
}
