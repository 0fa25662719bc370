//! The ranges of positions that are noted as removed.

use super::{Stage, Verifying};
use crate::databases::Databases;
use crate::error::backend;
use crate::reader::Batch;
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;
use std::ops::Bound;

/// Returns the number of ranges.
pub(super) fn ranges(databases: &Databases, snapshot: &RoTxn<'_>) -> Result<u64, StoreError> {
    let ranges = databases.removed.0.len(snapshot);
    ranges.map_err(backend("read what was removed"))
}

impl Verifying {
    /// Checks some ranges, behind the first position of one.
    pub(super) fn removed(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        after: Position,
    ) -> Result<Stage, StoreError> {
        let failed = backend("read what was removed");
        let last_of_log = databases.log.last_position(snapshot)?;
        let behind = (Bound::Excluded(after.get()), Bound::Unbounded);
        let mut batch = Batch::new();
        // The end of the range before it, which may have grown since the last batch.
        let mut covered = match databases.removed.0.get(snapshot, &after.get()) {
            Ok(last) => last.unwrap_or(after.get()),
            Err(error) => return Err(failed(error)),
        };
        let ranges = databases.removed.0.range(snapshot, &behind);
        for range in ranges.map_err(&failed)? {
            let (first, last) = range.map_err(&failed)?;
            let (from, to) = (Position(first), Position(last));
            if last < first || first <= covered || to >= last_of_log {
                let reason = format!(
                    "it is noted that positions {first} to {last} were removed, which cannot be: {covered} was the last before, and the log ends at {last_of_log}"
                );
                self.findings.problem(from, None, reason);
            } else {
                let mut there = databases.log.walk(snapshot, from..=to)?;
                if let Some((position, _)) = there.next().transpose()? {
                    let reason = "it is there, and noted as removed";
                    self.findings.problem(position, None, reason);
                }
            }
            covered = covered.max(last);
            self.done += 1;
            batch.add(0);
            if batch.is_full() {
                return Ok(Stage::Removed(from));
            }
        }
        Ok(Stage::Format1(String::new()))
    }
}
