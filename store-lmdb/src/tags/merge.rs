//! Making runs: from the newest records, and from other runs.

use super::block::{self, Encoded, Entry, block_key};
use super::manifest::{Manifest, Run};
use super::{READ, Span, TagKey, Tags};
use crate::databases::{Databases, NONE_KNOWN};
use crate::error::backend;
use crate::levels::{self, Due, Leveled, RUNS};
use heed::RwTxn;
use midgard::Position;
use midgard::store::StoreError;

/// About how many entries are merged at once, in one commit.
const SLICE: usize = 4096;

const WRITE: &str = "write the index of tags";

/// Makes a run of the entries up to a position, which are in order.
pub(crate) fn flush(
    databases: &Databases,
    tags: Tags,
    transaction: &mut RwTxn<'_>,
    entries: &[(TagKey, Span)],
    merged: Position,
) -> Result<(), StoreError> {
    let mut manifest = databases.about.tag_manifest(transaction)?;
    if manifest.runs.is_empty() {
        // A damaged page may have hidden the manifest. The numbers of its runs are given again.
        tags.0.clear(transaction).map_err(backend(WRITE))?;
    }
    let mut run = Run {
        number: manifest.next_number(),
        level: 0,
        first: manifest.merged.next(),
        last: merged,
        until: Entry::END,
        blocks: 0,
        entries: 0,
        bytes: 0,
    };
    let entries = entries.iter().flat_map(|(key, span)| {
        let positions = span.first.get()..=span.last.get();
        positions.map(|position| Entry {
            key: *key,
            position: Position(position),
        })
    });
    let blocks = block::encode(run.number, Entry::START, Entry::END, entries);
    put(tags, transaction, &mut run, &blocks)?;
    manifest.runs.insert(0, run);
    manifest.merged = merged;
    databases.about.set_tag_manifest(transaction, &manifest)
}

fn put(
    tags: Tags,
    transaction: &mut RwTxn<'_>,
    run: &mut Run,
    blocks: &[Encoded],
) -> Result<(), StoreError> {
    for block in blocks {
        let key = block_key(run.number, block.start);
        let put = tags.0.put(transaction, &key, &block.bytes);
        put.map_err(backend(WRITE))?;
        run.blocks += 1;
        run.entries += block.entries;
        run.bytes += block.bytes.len() as u64;
    }
    Ok(())
}

/// A block that was read for a merge.
struct Read {
    /// The place of its run in the manifest.
    input: usize,
    start: Entry,
    end: Entry,
    entries: u64,
    bytes: u64,
}

/// Merges some of the runs that are due, and returns the number of entries; `None` when nothing is due.
pub(crate) fn step(
    databases: &Databases,
    tags: Tags,
    transaction: &mut RwTxn<'_>,
) -> Result<Option<usize>, StoreError> {
    let mut manifest = databases.about.tag_manifest(transaction)?;
    let output = match levels::due(&manifest.runs) {
        None => return Ok(None),
        Some(Due::Continue(output)) => output,
        Some(Due::Begin(output)) => {
            begin(&mut manifest, output);
            output
        }
    };
    let inputs = output - RUNS..output;
    let Run { number, until, .. } = manifest.runs[output];

    // Always from the run that was read the least far, so that little is read twice.
    let (mut read, mut entries) = (Vec::<Read>::new(), Vec::new());
    let mut ends = [until; RUNS];
    let mut end = until;
    while end < Entry::END && (entries.len() < SLICE || end == until) {
        let next = (0..RUNS)
            .min_by_key(|input| ends[*input])
            .unwrap_or_default();
        let input = inputs.start + next;
        let block = tags.block(transaction, manifest.runs[input].number, ends[next])?;
        let before = entries.len();
        block.entries(&mut entries)?;
        read.push(Read {
            input,
            start: block.start,
            end: block.end,
            entries: (entries.len() - before) as u64,
            bytes: block.length as u64,
        });
        ends[next] = block.end;
        end = ends.into_iter().min().unwrap_or(Entry::END);
    }
    let merged = entries.len();
    entries.retain(|entry| (until..end).contains(entry));
    // A few sorted sequences, which this sort merges.
    entries.sort();
    drop_removed(databases, transaction, &mut entries)?;
    let mut blocks = block::encode(number, until, end, entries.into_iter());
    let mut until = end;
    // The last block would not be full. What it has is merged with what comes next.
    if end < Entry::END
        && blocks.len() > 1
        && let Some(last) = blocks.pop()
    {
        until = last.start;
    }
    put(tags, transaction, &mut manifest.runs[output], &blocks)?;
    manifest.runs[output].until = until;
    for block in read.iter().filter(|block| block.end <= until) {
        let run = &mut manifest.runs[block.input];
        let key = block_key(run.number, block.start);
        tags.0.delete(transaction, &key).map_err(backend(WRITE))?;
        run.blocks = run.blocks.saturating_sub(1);
        run.entries = run.entries.saturating_sub(block.entries);
        run.bytes = run.bytes.saturating_sub(block.bytes);
    }
    if manifest.runs[output].is_done() {
        manifest.runs.drain(inputs);
    }
    databases.about.set_tag_manifest(transaction, &manifest)?;
    Ok(Some(merged))
}

/// Begins a run that merges the ones before it.
fn begin(manifest: &mut Manifest, output: usize) {
    let inputs = &manifest.runs[output - RUNS..output];
    let run = Run {
        number: manifest.next_number(),
        level: inputs[0].level + 1,
        first: inputs[RUNS - 1].first,
        last: inputs[0].last,
        until: Entry::START,
        blocks: 0,
        entries: 0,
        bytes: 0,
    };
    manifest.runs.insert(output, run);
}

/// Drops entries of records that were removed since.
fn drop_removed(
    databases: &Databases,
    transaction: &RwTxn<'_>,
    entries: &mut Vec<Entry>,
) -> Result<(), StoreError> {
    let removed = databases.removed;
    let is_empty = removed.0.is_empty(transaction);
    if is_empty.map_err(backend(READ))? {
        return Ok(());
    }
    let (mut left, mut around) = (Vec::with_capacity(entries.len()), NONE_KNOWN);
    for entry in entries.drain(..) {
        if !around.contains(&entry.position) {
            match removed.none_around(transaction, entry.position)? {
                Some(none_around) => around = none_around,
                None => continue,
            }
        }
        left.push(entry);
    }
    *entries = left;
    Ok(())
}
