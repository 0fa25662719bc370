//! The runs, at every stage of merging.

use super::block::{Entry, encode};
use super::*;
use crate::databases::Databases;
use crate::environment::Environment;
use crate::levels::Leveled;
use crate::options::{Durability, LmdbOptions};
use fastrand::Rng;
use manifest::Run;
use midgard::Position;
use midgard::store::Direction;
use runs::InRuns;
use std::collections::BTreeMap;
use std::path::Path;

fn environment(directory: &Path) -> Environment {
    let options = LmdbOptions::default().durability(Durability::NoSync);
    Environment::open(directory, options).unwrap()
}

/// Runs of a store without records, and all that is to be in them.
struct Scene {
    environment: Environment,
    expected: BTreeMap<TagKey, Vec<Position>>,
    last: u64,
    random: Rng,
}

impl Scene {
    fn new(directory: &Path) -> Self {
        Scene {
            environment: environment(directory),
            expected: BTreeMap::new(),
            last: 0,
            random: Rng::with_seed(7),
        }
    }

    fn write<T>(&self, write: impl FnOnce(&Databases, Tags, &mut heed::RwTxn<'_>) -> T) -> T {
        let guard = self.environment.access().unwrap();
        let open = guard.get().unwrap();
        let mut transaction = open.env.write_txn().unwrap();
        let tags = open.databases.tags.unwrap();
        let done = write(&open.databases, tags, &mut transaction);
        transaction.commit().unwrap();
        done
    }

    fn key(&self, number: u64) -> TagKey {
        let keys = self.environment.read(|databases, _| Ok(databases.tag_keys));
        keys.unwrap().tag(format!("number:{number}").as_bytes())
    }

    /// Merges so many new records, which have one of two names and a few of this many tags each.
    fn flush(&mut self, records: u64, tags: u64) {
        let mut postings = Postings::default();
        let names = [self.key(u64::MAX), self.key(u64::MAX - 1)];
        let first = Position(self.last + 1);
        for _ in 0..records {
            self.last += 1;
            let name = names[usize::from(self.random.u8(..8) == 0)];
            let mut keys = vec![name];
            for _ in 0..self.random.u64(..4) {
                let number = self.random.u64(..tags);
                keys.push(self.key(number));
            }
            keys.sort();
            keys.dedup();
            for key in keys {
                let position = Position(self.last);
                postings.insert(key, Span::of(position));
                self.expected.entry(key).or_default().push(position);
            }
        }
        let last = Position(self.last);
        let entries = postings.sorted(&(first..=last));
        self.write(|databases, tags, transaction| {
            flush(databases, tags, transaction, &entries, last).unwrap();
        });
    }

    /// Merges at most this many slices of runs; returns whether nothing is due any more.
    fn step(&self, slices: usize) -> bool {
        self.write(|databases, tags, transaction| {
            (0..slices).any(|_| step(databases, tags, transaction).unwrap().is_none())
        })
    }

    /// The positions of a key from one on, as far as they are asked for one after the other.
    fn find(
        &self,
        key: TagKey,
        direction: Direction,
        from: Position,
        stride: u64,
    ) -> Result<Vec<Position>, StoreError> {
        self.environment.read(|databases, snapshot| {
            let (tags, manifest) = databases.runs(snapshot)?.unwrap();
            let mut posting = InRuns::new((tags, &manifest), snapshot, key, direction);
            let (mut found, mut target) = (Vec::new(), from);
            while let Some(position) = posting.seek(target)? {
                found.push(position);
                target = match direction {
                    Direction::Forward => Position(position.get() + stride),
                    Direction::Backward => Position(position.get().saturating_sub(stride)),
                };
            }
            Ok(found)
        })
    }

    fn check(&mut self) {
        let last = self.last;
        for (key, positions) in &self.expected {
            let stride = [1, 1, 50, 3000][self.random.usize(..4)];
            let from = Position(self.random.u64(..last + 10));
            let mut wanted = Vec::new();
            let mut target = from;
            for position in positions {
                if *position >= target {
                    wanted.push(*position);
                    target = Position(position.get() + stride);
                }
            }
            let found = self.find(*key, Direction::Forward, from, stride).unwrap();
            assert_eq!(found, wanted, "by {stride} from {from}");
            let (mut wanted, mut target) = (Vec::new(), from);
            for position in positions.iter().rev() {
                if *position <= target {
                    wanted.push(*position);
                    target = Position(position.get().saturating_sub(stride));
                }
            }
            let found = self.find(*key, Direction::Backward, from, stride).unwrap();
            assert_eq!(found, wanted, "by {stride} back from {from}");
        }
        for other in 1_000_000..1_000_100 {
            let key = self.key(other);
            let found = self.find(key, Direction::Forward, Position::FIRST, 1);
            assert_eq!(found.unwrap(), []);
        }
    }

    fn runs(&self) -> Vec<Run> {
        let runs = self.environment.read(|databases, snapshot| {
            Ok(databases.about.tag_manifest(snapshot)?.runs().to_vec())
        });
        runs.unwrap()
    }

    /// How many blocks there are, and the bytes and entries in them.
    fn size(&self) -> (u64, u64, u64) {
        let size = self.environment.read(|databases, snapshot| {
            let (mut bytes, mut entries) = (0, Vec::new());
            let tags = databases.tags.unwrap();
            for block in tags.0.iter(snapshot).unwrap() {
                let (key, block) = block.unwrap();
                bytes += block.len() as u64;
                let (run, start) = block::parse_key(key).unwrap();
                let block = block::Block::of(run, start, block)?;
                block.entries(&mut entries)?;
            }
            let blocks = tags.0.len(snapshot).unwrap();
            Ok((blocks, entries.len() as u64, bytes))
        });
        size.unwrap()
    }
}

#[test]
fn all_positions_of_a_key_are_found_at_any_stage_of_merging() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for round in 0..24 {
        scene.flush(2_000, 700);
        scene.step(round % 5);
        if round % 4 == 3 {
            scene.check();
        }
    }
    while !scene.step(1) {}
    scene.check();
    let runs = scene.runs();
    assert!(runs.iter().all(Run::is_done));
    let counted = runs
        .iter()
        .fold((0, 0, 0), |(blocks, entries, bytes), run| {
            (
                blocks + run.blocks,
                entries + run.entries,
                bytes + run.bytes,
            )
        });
    assert_eq!(scene.size(), counted, "no block is left behind");
}

#[test]
fn a_merge_can_be_searched_after_each_of_its_slices() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for records in [300, 9_000, 5_000, 20_000] {
        scene.flush(records, 150);
    }
    let mut slices = 0;
    while !scene.step(1) {
        scene.check();
        slices += 1;
    }
    assert!(slices > 8, "{slices} slices");
}

#[test]
fn another_process_goes_on_with_what_one_has_begun() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for _ in 0..5 {
        scene.flush(8_000, 1_000);
        scene.step(1);
        // All that it has in memory is gone.
        scene.environment.reopen().unwrap();
    }
    assert!(scene.runs().iter().any(|run| !run.is_done()));
    scene.check();
    while !scene.step(1) {}
    scene.check();
}

#[test]
fn a_tag_takes_few_bytes_and_a_name_fewer() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    for _ in 0..16 {
        scene.flush(4_000, u64::MAX - 9);
    }
    while !scene.step(1) {}
    let pages = scene.environment.read(|databases, snapshot| {
        let stat = databases.tags.unwrap().0.stat(snapshot).unwrap();
        Ok(stat.branch_pages + stat.leaf_pages + stat.overflow_pages)
    });
    let names = 64_000;
    let entries: u64 = scene.runs().iter().map(|run| run.entries).sum();
    let bytes = pages.unwrap() as u64 * 4096;
    let per_tag = (bytes - 2 * names) as f64 / (entries - names) as f64;
    assert!(per_tag < 18.0, "{per_tag} bytes for each tag");
}

#[test]
fn a_damaged_or_missing_block_is_an_error_and_never_another_position() {
    let directory = tempfile::tempdir().unwrap();
    let mut scene = Scene::new(directory.path());
    scene.flush(2_000, 1_500);
    let blocks: Vec<(Vec<u8>, Vec<u8>)> = scene
        .environment
        .read(|databases, snapshot| {
            let blocks = databases.tags.unwrap().0.iter(snapshot).unwrap();
            let owned = blocks.map(|block| block.unwrap());
            Ok(owned
                .map(|(key, block)| (key.to_vec(), block.to_vec()))
                .collect())
        })
        .unwrap();
    assert!(blocks.len() > 2);
    let look = |scene: &Scene| {
        let mut errors = 0;
        for (key, positions) in &scene.expected {
            match scene.find(*key, Direction::Forward, Position::FIRST, 1) {
                Ok(found) => assert_eq!(found, *positions),
                Err(error) => {
                    errors += 1;
                    assert!(is_damage(&error), "{error}");
                }
            }
        }
        errors
    };
    for (key, block) in &blocks {
        for byte in (0..block.len()).step_by(block.len() / 10) {
            let mut damaged = block.clone();
            damaged[byte] ^= 0x04;
            scene.write(|_, tags, transaction| tags.0.put(transaction, key, &damaged).unwrap());
            assert!(look(&scene) > 0, "byte {byte} was changed");
        }
        scene.write(|_, tags, transaction| tags.0.delete(transaction, key).unwrap());
        assert!(look(&scene) > 0, "a block is missing");
        scene.write(|_, tags, transaction| tags.0.put(transaction, key, block).unwrap());
    }
    assert_eq!(look(&scene), 0);
}

#[test]
fn blocks_come_back_and_arbitrary_bytes_make_nothing_panic() {
    let mut random = Rng::with_seed(1);
    for _ in 0..300 {
        let entry = |random: &mut Rng| {
            let bits = random.u32(1..40);
            Entry {
                key: TagKey(random.u64(..9) << 60),
                position: Position(random.u64(..1 << bits)),
            }
        };
        let mut entries: Vec<_> = (0..random.usize(..4000))
            .map(|_| entry(&mut random))
            .collect();
        entries.sort();
        entries.dedup();
        let blocks = encode(3, Entry::START, Entry::END, entries.iter().copied());
        let (mut read, mut next) = (Vec::new(), Entry::START);
        for encoded in &blocks {
            assert!(encoded.bytes.len() <= block::LARGEST);
            let block = block::Block::of(3, encoded.start, &encoded.bytes).unwrap();
            assert_eq!(block.start, next);
            next = block.end;
            block.entries(&mut read).unwrap();
        }
        assert_eq!((read, next), (entries, Entry::END));
        let mut bytes = blocks[0].bytes.clone();
        bytes.truncate(random.usize(..=bytes.len()));
        if !bytes.is_empty() {
            let at = random.usize(..bytes.len());
            bytes[at] ^= random.u8(1..);
        }
        assert!(block::Block::of(3, Entry::START, &bytes).is_err());
        assert!(block::Block::of(4, Entry::START, &blocks[0].bytes).is_err());
    }
}
