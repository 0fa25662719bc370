//! Checks that each database has as many keys as LMDB notes: pages lost at its end leave no other gap.

use super::findings::Findings;
use super::{Progress, Verifying};
use crate::databases::Databases;
use crate::environment::Environment;
use crate::error::backend;
use heed::types::{Bytes, DecodeIgnore};
use heed::{Database, RoTxn};
use midgard::store::StoreError;
use std::ops::ControlFlow;

/// How many keys are counted between two reports of progress.
const BATCH: u64 = 16_384;

/// A database whose keys alone are read.
type Keys = Database<'static, Bytes, DecodeIgnore>;

impl Databases {
    /// Returns all of them, with their names.
    fn keys(&self) -> Vec<(&'static str, Keys)> {
        let mut all = vec![
            ("midgard", self.about.table().remap_types()),
            ("log", self.log.0.remap_types()),
            ("removed", self.removed.0.remap_types()),
            ("index", self.index.entries.remap_types()),
            ("entries", self.entries.remap_types()),
        ];
        if let Some(versions) = &self.index.versions {
            all.push(("last_versions", versions.remap_types()));
        }
        if let Some(tags) = &self.tags {
            all.push(("tags", tags.0.remap_types()));
        }
        if let Some(format_1) = &self.format_1 {
            all.push(("streams", format_1.streams.remap_types()));
            all.push(("versions", format_1.versions.remap_types()));
        }
        all
    }
}

/// Returns how many keys LMDB notes for all databases, as far as that can be read.
pub(super) fn noted(databases: &Databases, snapshot: &RoTxn<'_>) -> u64 {
    let keys = databases.keys();
    let counts = keys
        .into_iter()
        .map(|(_, keys)| noted_of(keys, snapshot).unwrap_or_default());
    counts.fold(0, u64::saturating_add)
}

fn noted_of(keys: Keys, snapshot: &RoTxn<'_>) -> Result<u64, StoreError> {
    let stat = keys.stat(snapshot).map_err(backend("count its keys"))?;
    Ok(stat.entries as u64)
}

impl Verifying {
    /// Counts the keys of all databases in one snapshot, so that none is added or removed meanwhile.
    pub(super) fn keys(
        &mut self,
        environment: &Environment,
        progress: &mut impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let snapshot = environment.snapshot()?;
        for (name, keys) in snapshot.databases.keys() {
            let before = self.done;
            let counted = count(keys, &snapshot.transaction, |counted| {
                self.done = before.saturating_add(counted);
                progress(self.progress())
            });
            match counted {
                Ok(Some(counted)) => counted.judge(name, &mut self.findings),
                Ok(None) => return Ok(ControlFlow::Break(())),
                Err(error) => self.findings.failure(&error),
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The keys of a database.
struct Counted {
    found: u64,
    noted: u64,
    is_in_order: bool,
}

/// Counts the keys, and reports the number from time to time; `None` when that ended the count. Stops when the number
/// is impossible: damaged pages may lead in a circle.
fn count(
    keys: Keys,
    snapshot: &RoTxn<'_>,
    mut tell: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<Option<Counted>, StoreError> {
    let failed = backend("count its keys");
    let noted = noted_of(keys, snapshot)?;
    let (mut found, mut last) = (0, None);
    let mut is_in_order = true;
    for key in keys.iter(snapshot).map_err(&failed)? {
        let (key, ()) = key.map_err(&failed)?;
        is_in_order = last.is_none_or(|last| last < key);
        if !is_in_order {
            break;
        }
        last = Some(key);
        found += 1;
        if found % BATCH == 0 && tell(found).is_break() {
            return Ok(None);
        }
    }
    Ok(tell(found).is_continue().then_some(Counted {
        found,
        noted,
        is_in_order,
    }))
}

impl Counted {
    fn judge(&self, name: &str, findings: &mut Findings) {
        let Counted {
            found,
            noted,
            is_in_order,
        } = self;
        if !is_in_order {
            findings.fault(format!(
                "the database \"{name}\" is damaged: behind its key {found} is one that comes before it"
            ));
        } else if found != noted {
            findings.fault(format!(
                "the database \"{name}\" is damaged: it has {found} keys, and LMDB has noted that there are {noted}"
            ));
        }
    }
}
