//! The index of streams: checks that its parts are as they were written, and that each entry leads to a record of its
//! stream.

use super::findings::Findings;
use super::{Stage, Verifying};
use crate::databases::Databases;
use crate::index::{IndexEntry, LastRecord, Manifest, PartAddress};
use crate::record::Header;
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;

/// About how many entries are checked in one snapshot.
const BATCH: usize = 2048;

/// Checks the index as a whole, and returns its number of parts; `None` when it cannot be read.
pub(super) fn parts(
    databases: &Databases,
    snapshot: &RoTxn<'_>,
    last: Position,
    findings: &mut Findings,
) -> Option<u64> {
    let read = || {
        let manifest = databases.about.manifest(snapshot)?;
        let others = databases.index.parts_of_no_run(snapshot, &manifest)?;
        Ok((manifest, others))
    };
    let (manifest, others) = read().inspect_err(|error| findings.failure(error)).ok()?;
    if manifest.merged > last {
        findings.problem(
            last,
            None,
            format!(
                "the log ends here, and the index of streams has positions up to {}",
                manifest.merged
            ),
        );
    }
    if others > 0 {
        let fault = format!("the index of streams has {others} parts that are in no run");
        findings.problem(None, None, fault);
    }
    Some(manifest.parts())
}

impl Verifying {
    /// Checks some parts of runs, behind one.
    pub(super) fn index(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        after: Option<PartAddress>,
    ) -> Result<Stage, StoreError> {
        let manifest = databases.about.manifest(snapshot)?;
        let knows_streams = self.catch_up(databases, snapshot);
        let (mut after, mut looked_at) = (after, 0);
        while let Some(part) = databases.index.check_next(snapshot, &manifest, after)? {
            for fault in part.faults {
                self.findings.fault(fault);
            }
            if knows_streams {
                for entry in &part.entries {
                    self.entry(databases, snapshot, &manifest, *entry)?;
                }
            }
            self.done = self.done.saturating_add(part.parts);
            looked_at += part.entries.len().max(1);
            after = Some(part.address);
            if looked_at >= BATCH {
                return Ok(Stage::Index(after));
            }
        }
        Ok(Stage::Tags(None))
    }

    fn entry(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        manifest: &Manifest<'_>,
        IndexEntry { key, record }: IndexEntry,
    ) -> Result<(), StoreError> {
        let LastRecord { position, version } = record;
        self.findings.verification.index_entries += 1;
        if position > manifest.merged {
            let merged = manifest.merged;
            let reason = format!("it is in the index of streams, which ends at position {merged}");
            self.findings.problem(position, None, reason);
        }
        let record = match databases.log.record(snapshot, position) {
            Ok(Some(record)) => record,
            Ok(None) => {
                let last = match self.tail.look_up(key).position {
                    Some(last) => Some(last),
                    None => databases.index.find(snapshot, manifest, key)?,
                };
                // An entry of an older run may lead to a record that was removed since.
                let is_removed = databases.removed.covers(snapshot, &(position..=position))?;
                if !is_removed || last <= Some(position) {
                    let reason = "the index of streams leads to it, and it is missing";
                    self.findings.problem(position, None, reason);
                }
                return Ok(());
            }
            // The check of the log has reported it as damaged.
            Err(StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let Ok(header) = Header::parse(position, &record) else {
            return Ok(());
        };
        let name = String::from_utf8_lossy(header.stream);
        if databases.keys.of(header.stream) != key {
            let reason = "the index of streams leads to it for another stream";
            self.findings.problem(position, Some(&name), reason);
        } else if version.is_some() && version != LastRecord::of(&header).version {
            let reason = "the index of streams has another version for it";
            self.findings.problem(position, Some(&name), reason);
        }
        Ok(())
    }
}
