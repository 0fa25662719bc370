//! Making runs: from the tail of the log, and from other runs.

use super::manifest::{Draft, MOST_PARTS_LOG2, Run};
use super::versions::Versions;
use super::{Index, IndexEntry, block, part, part_key};
use crate::about::About;
use crate::error::backend;
use crate::levels::{self, Due, Leveled, RUNS};
use heed::RwTxn;
use midgard::Position;
use midgard::store::StoreError;
use std::iter;

/// About the most entries of a part: this many are merged at once, in one commit.
const PART_ENTRIES: u64 = 2048;

/// Returns the smallest number of parts, as a power of two, that keeps each below its limit.
fn parts_log2(entries: u64) -> u8 {
    let parts = entries.div_ceil(PART_ENTRIES).next_power_of_two();
    (parts.trailing_zeros() as u8).min(MOST_PARTS_LOG2)
}

/// Makes a run of the entries up to a position. Each key occurs once.
pub(crate) fn flush(
    index: Index,
    about: About,
    transaction: &mut RwTxn<'_>,
    mut entries: Vec<IndexEntry>,
    merged: Position,
) -> Result<(), StoreError> {
    let mut draft = read(about, transaction)?;
    entries.sort_unstable_by_key(|entry| entry.key);
    let mut run = Run {
        number: draft.next_number(),
        level: 0,
        parts_log2: parts_log2(entries.len() as u64),
        entries: entries.len() as u64,
        from: 0,
        to: 0,
    };
    let mut rest = &entries[..];
    while run.to < run.parts() {
        let end = rest.partition_point(|entry| entry.key.part(run.parts_log2) <= run.to);
        let (inside, after) = rest.split_at(end);
        write_part(index, transaction, run.number, run.to, inside)?;
        rest = after;
        run.to += 1;
    }
    draft.runs.insert(0, run);
    draft.merged = merged;
    index.remove_orphaned_versions(transaction, &draft)?;
    write(about, transaction, &draft)
}

/// Merges one part of the runs that are due, and returns its number of entries; `None` when nothing is due.
pub(crate) fn step(
    index: Index,
    about: About,
    transaction: &mut RwTxn<'_>,
) -> Result<Option<usize>, StoreError> {
    let mut draft = read(about, transaction)?;
    let Some(output) = due(&mut draft) else {
        return Ok(None);
    };
    let inputs = output - RUNS..output;
    let Run {
        number,
        parts_log2,
        to: range,
        ..
    } = draft.runs[output];

    let mut entries = Vec::new();
    for run in &draft.runs[inputs.clone()] {
        let part = range >> (parts_log2 - run.parts_log2);
        let bytes = index.part(transaction, *run, part)?;
        let versions = index.versions(transaction, run.number, part)?;
        part::collect(
            bytes,
            versions,
            run.number,
            part,
            range,
            parts_log2,
            &mut entries,
        )?;
    }
    let merged = entries.len();
    // A stable sort: of the entries of a stream the newest comes first, and is kept.
    entries.sort_by_key(|entry| entry.key);
    entries.dedup_by_key(|entry| entry.key);
    write_part(index, transaction, number, range, &entries)?;

    let run = &mut draft.runs[output];
    run.to += 1;
    run.entries += entries.len() as u64;
    let run = *run;
    for input in &mut draft.runs[inputs.clone()] {
        let until = run.to >> (parts_log2 - input.parts_log2);
        while input.from < until {
            remove_part(index, transaction, input.number, input.from)?;
            input.from += 1;
        }
    }
    if run.is_done() {
        let before: u64 = draft.runs[inputs.clone()]
            .iter()
            .map(|run| run.entries)
            .sum();
        // If all of them had the same streams, the new run is no larger than each was: it keeps their level.
        if run.entries * 2 < before {
            draft.runs[output].level -= 1;
        }
        draft.runs.drain(inputs);
    }
    write(about, transaction, &draft)?;
    Ok(Some(merged))
}

/// Returns the run to make next, and begins it if necessary.
fn due(draft: &mut Draft) -> Option<usize> {
    Some(match levels::due(&draft.runs)? {
        Due::Continue(output) => output,
        Due::Begin(output) => {
            begin(draft, output);
            output
        }
    })
}

/// Begins a run that merges the ones before it.
fn begin(draft: &mut Draft, output: usize) {
    let inputs = &draft.runs[output - RUNS..output];
    let entries = inputs.iter().map(|run| run.entries).sum();
    let most_parts = inputs.iter().map(|run| run.parts_log2).max();
    let run = Run {
        number: draft.next_number(),
        level: inputs[0].level + 1,
        parts_log2: parts_log2(entries).max(most_parts.unwrap_or_default()),
        entries: 0,
        from: 0,
        to: 0,
    };
    draft.runs.insert(output, run);
}

fn read(about: About, transaction: &RwTxn<'_>) -> Result<Draft, StoreError> {
    Ok(about.manifest(transaction)?.draft())
}

fn write(about: About, transaction: &mut RwTxn<'_>, draft: &Draft) -> Result<(), StoreError> {
    about.set_manifest(transaction, &draft.encode())
}

fn write_part(
    index: Index,
    transaction: &mut RwTxn<'_>,
    run: u64,
    part: u32,
    entries: &[IndexEntry],
) -> Result<(), StoreError> {
    let bytes = block::encode(run, part, entries);
    let put = index.entries.put(transaction, &part_key(run, part), &bytes);
    put.map_err(backend("write the index"))?;
    let Some(versions) = index.versions else {
        return Ok(());
    };
    let bytes = Versions::encode(run, part, &bytes, entries);
    let put = versions.put(transaction, &part_key(run, part), &bytes);
    put.map_err(backend("write the index"))
}

fn remove_part(
    index: Index,
    transaction: &mut RwTxn<'_>,
    run: u64,
    part: u32,
) -> Result<(), StoreError> {
    for parts in iter::once(index.entries).chain(index.versions) {
        let removed = parts.delete(transaction, &part_key(run, part));
        removed.map_err(backend("write the index"))?;
    }
    Ok(())
}
