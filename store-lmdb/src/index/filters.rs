//! Filters of parts, in memory: most runs do not have a stream that is looked up, and need not be read to show it.
//!
//! A filter is made of a part that was searched in vain so often that reading all of it pays. Nothing of it is
//! stored: a part never changes, and no number of a run is given twice, so a filter is right as long as it is kept,
//! and there can be one for the runs of every release. A stored one could be damaged, and would have to be found in
//! LMDB's tree first, for each run: about a quarter of what the search costs.

use super::block::{self, Block, BlockAddress};
use super::manifest::{Manifest, Run};
use super::{IndexEntry, StreamKey};
use midgard::store::StoreError;
use std::mem;

/// A part that was searched in vain so often gets a filter: making it takes about as long as these searches did.
const SEARCHES: u8 = 16;
/// The bits of a filter for each key. One in about fifty keys that are not in a part passes its filter.
const BITS_PER_KEY: usize = 12;
/// The bits that a key sets in its word.
const BITS_SET: u32 = 4;
/// The most parts that may have filters, of at most 3 KiB each: 60 MiB for at least twenty million streams. Beyond
/// that it is the largest run that has none, and most streams are found there anyway.
const MOST_PARTS: usize = 20_000;
/// The most filters that are made in one snapshot: the parts of a run are searched about equally often, and many of them
/// would be due at once.
const MADE_AT_ONCE: usize = 64;

/// The runs of a snapshot, with filters of their parts, which are kept from one snapshot to the next.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    /// The newest first.
    pub(super) runs: Vec<FilteredRun>,
    /// Whether they are those of the snapshot.
    is_current: bool,
    /// How many filters were made in the snapshot.
    pub(super) made: usize,
    /// Whether a damaged page has hidden the versions beside the entries: they are not read again.
    pub(super) distrusts_versions: bool,
}

#[derive(Debug)]
pub(super) struct FilteredRun {
    pub(super) run: Run,
    /// The run that is being made of it, which already has some of its keys.
    output: Option<Run>,
    /// Of each of its parts; of none where there are too many.
    filters: Vec<Filter>,
}

#[derive(Debug, Clone, Default)]
struct Filter {
    /// How often the part was searched in vain.
    searches: u8,
    /// A Bloom filter, in which all bits of a key are in one word; empty before it is made.
    words: Box<[u64]>,
}

impl Filters {
    /// Forgets everything noted, when it may not have been committed.
    pub(crate) fn clear(&mut self) {
        *self = Filters {
            distrusts_versions: self.distrusts_versions,
            ..Filters::default()
        };
    }

    /// Must be called before the next snapshot is searched.
    pub(crate) const fn begin(&mut self) {
        self.is_current = false;
        self.made = 0;
    }

    /// Notes the runs of the snapshot, unless they are known.
    pub(super) fn note<'m>(
        &mut self,
        manifest: impl FnOnce() -> Result<Manifest<'m>, StoreError>,
    ) -> Result<(), StoreError> {
        if self.is_current {
            return Ok(());
        }
        let manifest = manifest()?;
        let mut before = mem::take(&mut self.runs);
        let mut count = 0;
        for (run, output) in manifest.runs_with_outputs() {
            let parts = run.parts() as usize;
            let mut known = before
                .iter_mut()
                .filter(|known| known.run.number == run.number && !known.filters.is_empty());
            let filters = match known.next() {
                _ if count + parts > MOST_PARTS => Vec::new(),
                Some(known) => mem::take(&mut known.filters),
                None => vec![Filter::default(); parts],
            };
            count += filters.len();
            self.runs.push(FilteredRun {
                run,
                output,
                filters,
            });
        }
        self.is_current = true;
        Ok(())
    }
}

impl FilteredRun {
    /// Returns whether it has to be searched for a key.
    pub(super) fn may_have(&self, key: StreamKey) -> bool {
        if !self.run.is_asked_for(key) || self.output.is_some_and(|run| run.is_asked_for(key)) {
            return false;
        }
        let filter = self.filters.get(key.part(self.run.parts_log2) as usize);
        filter.is_none_or(|filter| {
            let (word, bits) = place(key, filter.words.len());
            filter
                .words
                .get(word)
                .is_none_or(|word| word & bits == bits)
        })
    }

    /// Notes that it was searched for a key in vain, and makes the filter of the part if that pays; `made` counts them.
    pub(super) fn searched_in_vain(&mut self, key: StreamKey, part: &[u8], made: &mut usize) {
        let number = key.part(self.run.parts_log2);
        let Some(filter) = self.filters.get_mut(number as usize) else {
            return;
        };
        filter.searches = filter.searches.saturating_add(1);
        let is_due = filter.words.is_empty() && filter.searches >= SEARCHES;
        if is_due && *made < MADE_AT_ONCE {
            *made += 1;
            match entries(self.run.number, number, part) {
                Ok(entries) => filter.words = words(entries),
                // A part with a damaged block is searched: a key may be in another one.
                Err(_) => filter.searches = 0,
            }
        }
    }
}

fn entries(run: u64, part: u32, bytes: &[u8]) -> Result<Vec<IndexEntry>, StoreError> {
    let mut entries = Vec::new();
    for block in 0..block::count(bytes) {
        entries.extend(Block::of(bytes, BlockAddress { run, part, block })?.entries());
    }
    Ok(entries)
}

fn words(entries: Vec<IndexEntry>) -> Box<[u64]> {
    let mut words = vec![0; (entries.len() * BITS_PER_KEY).div_ceil(64)].into_boxed_slice();
    for entry in entries {
        let (word, bits) = place(entry.key, words.len());
        words[word] |= bits;
    }
    words
}

/// Returns the place of a key's word among so many, and the key's bits in it. Keys are hashes: their lower bits, which
/// have nothing to do with the part that a key is in, are as good as another hash of them.
fn place(key: StreamKey, words: usize) -> (usize, u64) {
    let low = key.0 as u64;
    let word = ((low >> 32) * words as u64) >> 32;
    let bits = (0..BITS_SET).fold(0, |bits, number| bits | 1 << (low >> (6 * number) & 63));
    (word as usize, bits)
}

#[cfg(test)]
mod tests {
    use super::super::LastRecord;
    use super::super::manifest::Draft;
    use super::*;
    use midgard::Position;

    fn run(number: u64, parts_log2: u8) -> Run {
        Run {
            number,
            level: 0,
            parts_log2,
            entries: 0,
            from: 0,
            to: 1 << parts_log2,
        }
    }

    #[test]
    fn few_keys_pass_the_filter_of_a_part_that_does_not_have_them() {
        let mut random = fastrand::Rng::with_seed(1);
        // All in one part of many.
        let mut key = || StreamKey(random.u128(..) >> 20);
        for count in [1, 10, 500, 2048] {
            let inside: Vec<_> = (0..count).map(|_| key()).collect();
            let entries = inside.iter().map(|key| IndexEntry {
                key: *key,
                record: LastRecord::at(Position::FIRST),
            });
            let known = FilteredRun {
                run: run(1, 20),
                output: None,
                filters: vec![Filter {
                    searches: SEARCHES,
                    words: words(entries.collect()),
                }],
            };
            assert!(inside.iter().all(|key| known.may_have(*key)));
            let others = (0..10_000).filter(|_| known.may_have(key())).count();
            assert!(others < 400, "{others} of 10,000 pass that of {count}");
        }
    }

    /// Returns how many parts of each of these runs have filters.
    fn note(filters: &mut Filters, runs: Vec<Run>) -> Vec<usize> {
        let merged = Position(9);
        let bytes = Draft { merged, runs }.encode();
        filters.begin();
        filters.note(|| Manifest::parse(&bytes)).unwrap();
        filters.runs.iter().map(|run| run.filters.len()).collect()
    }

    #[test]
    fn a_run_of_too_many_parts_has_no_filters_and_the_others_have() {
        let mut filters = Filters::default();
        let parts = note(&mut filters, vec![run(3, 4), run(2, 15), run(1, 13)]);
        assert_eq!(parts, [1 << 4, 0, 1 << 13]);
    }

    #[test]
    fn parts_with_filters_are_no_more_than_allowed_and_as_many_whatever_came_before() {
        let mut filters = Filters::default();
        let size = 1 << 13;
        assert_eq!(note(&mut filters, vec![run(1, 13)]), [size]);
        assert_eq!(note(&mut filters, vec![run(2, 13), run(1, 13)]), [size; 2]);
        let three = vec![run(3, 13), run(2, 13), run(1, 13)];
        assert_eq!(note(&mut filters, three), [size, size, 0]);
        assert_eq!(note(&mut filters, vec![run(3, 13), run(1, 13)]), [size; 2]);
    }
}
