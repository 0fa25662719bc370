//! Blocks of entries: each is read at once, and has a checksum.
//!
//! The blocks of a run have all entries that there can be between them: each begins where the one before it ends. So a
//! block that is lost is missed, and never taken for the absence of entries.

use super::{TagKey, damaged};
use crate::checksum;
use crate::fields::Fields;
use midgard::Position;
use midgard::store::StoreError;
use midgard::varint;

/// A key and one of its positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: TagKey,
    pub(crate) position: Position,
}

impl Entry {
    /// Before all others.
    pub(super) const START: Entry = Entry {
        key: TagKey(0),
        position: Position::ZERO,
    };
    /// Behind all others.
    pub(super) const END: Entry = Entry {
        key: TagKey(u64::MAX),
        position: Position::MAX,
    };

    /// Returns the bytes of the fields, in an order that is that of entries.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        let both = u128::from(self.key.0) << 64 | u128::from(self.position.get());
        both.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Entry {
            key: TagKey((both >> 64) as u64),
            position: Position(both as u64),
        }
    }
}

/// The key of a block: its run, and where it begins.
pub(super) type BlockKey = [u8; 24];

pub(super) fn block_key(run: u64, start: Entry) -> BlockKey {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&run.to_be_bytes());
    key[8..].copy_from_slice(&start.to_bytes());
    key
}

/// Returns the run of a block, and where it begins.
pub(super) fn parse_key(key: &[u8]) -> Option<(u64, Entry)> {
    let (run, start) = key.split_first_chunk::<8>()?;
    let start = Entry::from_bytes(start.try_into().ok()?);
    Some((u64::from_be_bytes(*run), start))
}

/// The most bytes of a block: with its header it has a page of LMDB to itself. Smaller blocks would share pages, which
/// LMDB leaves half empty where keys are added between others, as those of a run are.
pub(super) const LARGEST: usize = 4096 - 16;
/// The checksum, and where the block ends.
const HEAD: usize = 4 + 16;
/// The most bytes that an entry and the beginning of its list take: a key, a length of two bytes, and a position.
const LARGEST_ENTRY: usize = 8 + 2 + 10;

/// A block to be written.
pub(super) struct Encoded {
    pub(super) start: Entry,
    pub(super) bytes: Vec<u8>,
    pub(super) entries: u64,
}

/// Puts entries together, which are in order, as the blocks from `start` up to `end`: at least one.
pub(super) fn encode(
    run: u64,
    start: Entry,
    end: Entry,
    entries: impl Iterator<Item = Entry>,
) -> Vec<Encoded> {
    let mut encoder = Encoder {
        run,
        start,
        bytes: vec![0; HEAD],
        list: Vec::new(),
        last: Entry::START,
        entries: 0,
        done: Vec::new(),
    };
    for entry in entries {
        encoder.push(entry);
    }
    encoder.finish(end);
    encoder.done
}

struct Encoder {
    run: u64,
    start: Entry,
    bytes: Vec<u8>,
    /// The positions of the last key.
    list: Vec<u8>,
    last: Entry,
    entries: u64,
    done: Vec<Encoded>,
}

impl Encoder {
    fn push(&mut self, entry: Entry) {
        if self.bytes.len() + self.list.len() + 2 * LARGEST_ENTRY > LARGEST {
            self.finish(entry);
        }
        let mut before = self.last.position.get();
        if self.list.is_empty() || self.last.key != entry.key {
            self.end_list();
            before = 0;
        }
        varint::push(&mut self.list, entry.position.get() - before);
        self.last = entry;
        self.entries += 1;
    }

    fn end_list(&mut self) {
        if self.list.is_empty() {
            return;
        }
        self.bytes.extend_from_slice(&self.last.key.0.to_be_bytes());
        varint::push(&mut self.bytes, self.list.len() as u64);
        self.bytes.append(&mut self.list);
    }

    fn finish(&mut self, end: Entry) {
        self.end_list();
        self.bytes[4..HEAD].copy_from_slice(&end.to_bytes());
        let sum = checksum(self.run, self.start, &self.bytes[4..]);
        self.bytes[..4].copy_from_slice(&sum.to_le_bytes());
        let mut next = Vec::with_capacity(LARGEST);
        next.resize(HEAD, 0);
        self.done.push(Encoded {
            start: self.start,
            bytes: std::mem::replace(&mut self.bytes, next),
            entries: std::mem::take(&mut self.entries),
        });
        self.start = end;
    }
}

fn checksum(run: u64, start: Entry, bytes: &[u8]) -> u32 {
    let place = run.rotate_left(32) ^ start.key.0 ^ start.position.get();
    checksum::at(place, bytes)
}

/// A block, read in place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'t> {
    pub(super) start: Entry,
    /// The block behind it begins here.
    pub(super) end: Entry,
    lists: &'t [u8],
    /// The number of its bytes.
    pub(super) length: usize,
}

impl<'t> Block<'t> {
    /// Returns a block, checked.
    pub(super) fn of(run: u64, start: Entry, bytes: &'t [u8]) -> Result<Self, StoreError> {
        let block = || {
            // A damaged length may lead behind the end of the file.
            let bytes = (bytes.len() <= LARGEST).then_some(bytes)?;
            let (stored, rest) = bytes.split_first_chunk::<4>()?;
            let (end, lists) = rest.split_first_chunk::<16>()?;
            let end = Entry::from_bytes(*end);
            let is_whole = u32::from_le_bytes(*stored) == checksum(run, start, rest);
            (is_whole && start < end).then_some(Block {
                start,
                end,
                lists,
                length: bytes.len(),
            })
        };
        block().ok_or_else(|| {
            let (key, position) = (start.key.0, start.position);
            damaged(&format!(
                "the block of run {run} from key {key:016x} and position {position} on"
            ))
        })
    }

    /// Calls `each` with each key and the bytes of its positions, in order, until it returns `false`.
    fn lists(&self, mut each: impl FnMut(TagKey, &'t [u8]) -> bool) -> Option<()> {
        let mut rest = Fields(self.lists);
        while !rest.0.is_empty() {
            let key = TagKey(u64::from_be_bytes(*rest.chunk()?));
            if !each(key, rest.run()?) {
                break;
            }
        }
        Some(())
    }

    /// Adds the positions of a key that `is_wanted`.
    pub(super) fn positions(
        &self,
        key: TagKey,
        is_wanted: impl Fn(Position) -> bool,
        positions: &mut Vec<Position>,
    ) -> Result<(), StoreError> {
        let read = self.lists(|found, list| {
            if found == key {
                let all = decode(list);
                positions.extend(all.filter(|position| is_wanted(*position)));
            }
            found < key
        });
        read.ok_or_else(|| damaged("the lists of a block"))
    }

    /// Adds all entries.
    pub(super) fn entries(&self, entries: &mut Vec<Entry>) -> Result<(), StoreError> {
        let read = self.lists(|key, list| {
            entries.extend(decode(list).map(|position| Entry { key, position }));
            true
        });
        read.ok_or_else(|| damaged("the lists of a block"))
    }
}

fn decode(list: &[u8]) -> impl Iterator<Item = Position> {
    let (mut rest, mut position) = (Fields(list), 0_u64);
    std::iter::from_fn(move || {
        position = position.saturating_add(rest.number()?);
        Some(Position(position))
    })
}
