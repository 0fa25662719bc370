//! The index of tags and names: checks that its blocks are as they were written, that each entry leads to a record that
//! has the tag or the name, and that each record is in it.

use super::findings::Findings;
use super::{Stage, Verifying};
use crate::databases::Databases;
use crate::record::Header;
use crate::tags::{BlockAddress, TagKey};
use heed::RoTxn;
use midgard::Position;
use midgard::store::StoreError;

/// About how many entries are checked in one snapshot.
const BATCH: usize = 2048;

/// Checks the index as a whole, and returns its number of blocks.
pub(super) fn blocks(
    databases: &Databases,
    snapshot: &RoTxn<'_>,
    last: Position,
    findings: &mut Findings,
) -> u64 {
    let read = || {
        let Some((tags, manifest)) = databases.runs(snapshot)? else {
            return Ok(None);
        };
        let others = tags.blocks_of_no_run(snapshot, &manifest)?;
        Ok(Some((manifest, others)))
    };
    let Ok(Some((manifest, others))) = read().inspect_err(|error| findings.failure(error)) else {
        return 0;
    };
    let merged = manifest.merged;
    if merged > last {
        let fault =
            format!("the log ends here, and the index of tags has positions up to {merged}");
        findings.problem(last, None, fault);
    }
    if others > 0 {
        let fault = format!("the index of tags has {others} blocks that are in no run");
        findings.problem(None, None, fault);
    }
    if others < 0 {
        let fault = format!("the index of tags misses {} blocks of its runs", -others);
        findings.problem(None, None, fault);
    }
    manifest.blocks()
}

impl Verifying {
    /// Notes the tags and the name of a record, to look them up in the index together.
    pub(super) fn note_tags(&mut self, databases: &Databases, header: &Header<'_>) {
        let position = header.position;
        databases
            .tag_keys
            .each_of(header, |key| self.tagged.push((key, position)));
    }

    /// Checks that the index has what was noted, as far as it goes.
    pub(super) fn noted_tags(&mut self, databases: &Databases, snapshot: &RoTxn<'_>) {
        let mut tagged = std::mem::take(&mut self.tagged);
        let missing = databases.runs(snapshot).and_then(|runs| {
            let Some((tags, manifest)) = runs else {
                return Ok(Vec::new());
            };
            tagged.retain(|(_, position)| *position <= manifest.merged);
            tagged.sort_unstable();
            tags.missing(snapshot, &manifest, &tagged)
        });
        match missing {
            Ok(mut missing) => {
                missing.sort_unstable();
                missing.dedup();
                for position in missing {
                    let reason =
                        "the index of tags does not lead to it from each of its tags and its name";
                    self.findings.problem(position, None, reason);
                }
            }
            Err(error) => self.findings.failure(&error),
        }
        tagged.clear();
        self.tagged = tagged;
    }

    /// Checks some blocks of runs, behind one.
    pub(super) fn tags(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        after: Option<BlockAddress>,
    ) -> Result<Stage, StoreError> {
        let Some((tags, manifest)) = databases.runs(snapshot)? else {
            return Ok(Stage::Keys);
        };
        let checked = tags.check_next(snapshot, &manifest, after, BATCH)?;
        for fault in checked.faults {
            self.findings.fault(fault);
        }
        for (key, position) in &checked.entries {
            self.tag_entry(databases, snapshot, *key, *position)?;
        }
        self.done = self.done.saturating_add(checked.blocks);
        Ok(match checked.last {
            Some(last) => Stage::Tags(Some(last)),
            None => Stage::Keys,
        })
    }

    fn tag_entry(
        &mut self,
        databases: &Databases,
        snapshot: &RoTxn<'_>,
        key: TagKey,
        position: Position,
    ) -> Result<(), StoreError> {
        self.findings.verification.tag_entries += 1;
        let record = match databases.log.record(snapshot, position) {
            Ok(Some(record)) => record,
            Ok(None) => {
                if !databases.nothing_missing(snapshot, position, position.next())? {
                    let reason = "the index of tags leads to it, and it is missing";
                    self.findings.problem(position, None, reason);
                }
                return Ok(());
            }
            // The check of the log has reported it as damaged.
            Err(StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Ok(header) = Header::parse(position, &record) {
            let mut has_key = false;
            databases
                .tag_keys
                .each_of(&header, |of| has_key |= of == key);
            if !has_key {
                let name = String::from_utf8_lossy(header.stream);
                let reason =
                    "the index of tags leads to it from a tag or a name that it does not have";
                self.findings.problem(position, Some(&name), reason);
            }
        }
        Ok(())
    }
}
